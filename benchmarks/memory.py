"""How much memory a process has held."""

from __future__ import annotations

import resource
from pathlib import Path


def peak_megabytes() -> float:
    """The most memory this process has held. Linux counts its parent's into `ru_maxrss`, but not into VmHWM."""
    status = Path("/proc/self/status")
    if status.exists():
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(peak.split()[1]) / (1 << 10)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)  # bytes on macOS
