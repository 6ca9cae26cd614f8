"""What every test runs under."""

from __future__ import annotations

import pandas  # noqa: F401  # a pytest run within a test forgets what was first imported in it, and there is one pandas
from hypothesis import Phase, settings

# A compiled function's first call takes as long as it takes. What fails is made smaller, and nobody waits to be told
# which lines such examples have in common: that runs them all again, under a tracer.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.target, Phase.shrink)
settings.register_profile("simkit", deadline=None, max_examples=60, print_blob=True, phases=PHASES)
settings.register_profile("thorough", settings.get_profile("simkit"), max_examples=500)  # --hypothesis-profile
# tests/mutate.py asks whether something fails, the same each time, and not how small it can be made.
AT_ONCE = (Phase.explicit, Phase.generate)
settings.register_profile("mutants", settings.get_profile("simkit"), max_examples=20, derandomize=True, phases=AT_ONCE)
settings.load_profile("simkit")


def pytest_terminal_summary(terminalreporter):
    """Say how many conformance cases of each kind were answered, also when all is well."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    counts = [text for r in reports for name, text in getattr(r, "user_properties", ()) if name == "conformance"]
    if counts:
        terminalreporter.section("conformance")
        for text in sorted(set(counts)):
            terminalreporter.write_line(text)
