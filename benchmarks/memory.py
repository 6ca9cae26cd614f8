"""How much memory a process has held."""

from __future__ import annotations

import resource
from pathlib import Path


def peak_megabytes() -> float:
    """The most memory this process has held, in MB of 1,000,000 bytes.

    Linux counts a parent's memory into its child's `ru_maxrss`, but not into VmHWM.
    """
    status = Path("/proc/self/status")
    if status.exists():
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(peak.split()[1]) * 1024 / 1e6  # the file says kB and means KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # bytes on macOS
