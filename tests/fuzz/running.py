"""What a target is, and how one input is run: within a time, and within a growth of memory."""

from __future__ import annotations

import hashlib
import resource
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TypeAlias

Run: TypeAlias = Callable[[bytes], str]
"""Runs one input, and says how that ended: the name of a typed error, or of a result. What it raises is a finding."""

Target: TypeAlias = Callable[[], AbstractContextManager[Run]]
"""Opens what inputs are run on, for as many of them as there are."""

MOST_SECONDS = 60
"""How long one input may take on a machine that does other things too."""

MOST_GROWTH = 512 * 1024 * 1024
"""By how many bytes one input may raise the most memory that the process has used."""


class HangError(BaseException):
    """An input takes longer than it may."""


class MemoryGrowthError(AssertionError):
    """An input takes more memory than it may."""


@dataclass
class Figures:
    """What came of the inputs of one target."""

    inputs: int = 0
    endings: Counter[str] = field(default_factory=Counter[str])
    slowest: float = 0.0
    slowest_input: bytes = b""
    findings: dict[str, Path] = field(default_factory=dict[str, Path])

    def told(self) -> dict[str, object]:
        return {
            "inputs": self.inputs,
            "endings": dict(self.endings.most_common()),
            "slowest_seconds": round(self.slowest, 3),
            "slowest_input": self.slowest_input[:200].hex(),
            "peak_megabytes": peak_memory() // 2**20,
            "findings": {what: str(path) for what, path in self.findings.items()},
        }


def peak_memory() -> int:
    """The most memory that this process has used, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@contextmanager
def limited() -> Generator[None]:
    """A block that ends by HangError if it takes too long, also within a library that asks for signals."""

    def hang(_signal: int, _frame: FrameType | None) -> None:
        raise HangError(f"it takes more than {MOST_SECONDS} s")

    before = signal.signal(signal.SIGALRM, hang)
    signal.setitimer(signal.ITIMER_REAL, MOST_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def run_one(run: Run, data: bytes, figures: Figures) -> None:
    """Run an input, and count how it ended. Raises what the target raises, and for too much time or memory."""
    before, began = peak_memory(), time.perf_counter()
    with limited():
        ending = run(data)
    took = time.perf_counter() - began
    figures.inputs += 1
    figures.endings[ending] += 1
    if took > figures.slowest:
        figures.slowest, figures.slowest_input = took, data
    if (growth := peak_memory() - before) > MOST_GROWTH:
        raise MemoryGrowthError(f"it took {growth:,} bytes more")


def keep(name: str, data: bytes, error: BaseException, figures: Figures, folder: Path) -> bool:
    """Write the input of a finding to a file; False if one that ended at the same place was found before."""
    frames = traceback.extract_tb(error.__traceback__)
    where = next((one for one in reversed(frames) if "redis_mob" in one.filename), frames[-1] if frames else None)
    what = f"{type(error).__name__} in {Path(where.filename).name}:{where.lineno}" if where else type(error).__name__
    what += f" {str(error).partition(' ')[0]}" if isinstance(error, AssertionError) else ""
    if what in figures.findings:
        return False
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{hashlib.sha256(data).hexdigest()[:16]}"
    path.write_bytes(data)
    figures.findings[what] = path
    print(f"{name}: {what}: {str(error)[:300]}\n  input: {path}", file=sys.stderr)
    traceback.print_exception(error, limit=-6, file=sys.stderr)
    return True
