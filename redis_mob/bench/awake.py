"""Keeps the cores awake while something is measured."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

# it looks for its parent, because it would spin for ever if that were killed
_SPIN = """
import os
os.nice(19)
while os.getppid() == {parent}:
    for _ in range(1_000_000):
        pass
"""


@contextmanager
def cores_awake() -> Generator[None]:
    """One process of the lowest priority for each core that spins.

    A core that is halted takes 50 to 100 us to wake in a virtual machine, longer than a script takes to run: without
    these, the latency of single calls would be that of the machine's sleep.
    """
    program = [sys.executable, "-S", "-c", _SPIN.format(parent=os.getpid())]
    spinning = [subprocess.Popen(program) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
        for process in spinning:
            process.wait()
