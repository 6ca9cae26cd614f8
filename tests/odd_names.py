"""Names that a page could obey, and a scenario in which whatever has a name has one of them."""

from __future__ import annotations

import json

ODD_NAMES = (
    "\"><img src=x onerror=alert(1)>' <script>alert(2)</script> <iframe src=//evil.example>",
    "[x](javascript:alert(3)) $x^2$ \\(y\\) **b** _i_ `c` ~~s~~ www.evil.example https://evil.example a@b.example",
    "# h\n\n- a\n\n<svg onload=alert(4)> \x1b[31m \u202e &amp; | a | 日本",
)
_SCENARIO = """\
name: {0}
window: {{from: "2026-10-26", until: "2026-11-02", timezone: America/New_York}}
presets: [{{name: {1}, instances: 2}}, {{name: {2}, instances: 1}}]
template_schedule: {{default_ttl: 10h, autostop_requirement: {{days_of_week: [saturday], weeks: 1}}}}
people:
  - name: staff
    count: 6
    preset: {1}
    autostart: "CRON_TZ=America/New_York 30 8 * * 1-5"
    sessions: {{weekday: [0, 0, 0, 0, 0, 0, 0, 0, 9, 9, 0, 0, 0, 5, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0], length: 3h}}
failures: {{probability: 0.2}}
cost: {{per_instance_hour: 1, currency: {2}}}
"""


def odd_scenario() -> str:
    """As the text of its file."""
    return _SCENARIO.format(*map(json.dumps, ODD_NAMES))
