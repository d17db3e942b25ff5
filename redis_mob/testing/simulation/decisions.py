"""What is decided before a simulation begins: workers, runs, and everything that happens to them.

Each decision can be taken out of a plan without changing the others: that is how a schedule is made small.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class CallFault(StrEnum):
    """What can become of one call to the storage."""

    SLOW = "arrives late"
    SLOW_REPLY = "is executed, and its reply comes late"
    LOST = "never arrives"
    LOST_REPLY = "is executed, and its reply is lost"
    LATE = "is given up, and arrives after that"
    REPEATED = "is executed, its first reply is lost, and it is sent again"


@dataclass(frozen=True)
class Hire:
    """A worker that is there from `at` on."""

    worker: str
    at: float
    slots: int
    lease: float
    skew: float

    def __str__(self) -> str:
        clock = f", its clock {self.skew:+.1f} s" if self.skew else ""
        return f"at {self.at:.3f} s {self.worker} begins: {self.slots} slots, a lease of {self.lease:g} s{clock}"


@dataclass(frozen=True)
class Kill:
    """A process is killed before one of its turns; another one takes its place `back_after` seconds later."""

    worker: str
    turn: int
    back_after: float

    def __str__(self) -> str:
        return f"{self.worker} is killed before its turn {self.turn}; another begins {self.back_after:.3f} s later"


@dataclass(frozen=True)
class Halt:
    """A process stands still before one of its turns, for so many seconds."""

    process: str
    turn: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.process} stands still for {self.seconds:.3f} s before its turn {self.turn}"


@dataclass(frozen=True)
class Dismiss:
    """A worker is asked to stop, and another one takes its place `back_after` seconds later.

    What it executes may go on for `drain` seconds.
    """

    worker: str
    at: float
    drain: float
    back_after: float

    def __str__(self) -> str:
        return (
            f"at {self.at:.3f} s {self.worker} is asked to stop within {self.drain:.1f} s; another begins "
            f"{self.back_after:.3f} s later"
        )


@dataclass(frozen=True)
class Disturb:
    """One call of a process, by its number, goes wrong; `seconds` say how late it is, or when it is given up."""

    process: str
    call: int
    fault: CallFault
    seconds: float

    def __str__(self) -> str:
        return f"call {self.call} of {self.process} {self.fault.value} ({self.seconds:.3f} s)"


@dataclass(frozen=True)
class Start:
    """A run is started."""

    run: str
    flow: str
    at: float
    params: Any

    def __str__(self) -> str:
        return f"at {self.at:.3f} s {self.run} of flow {self.flow} is started with {self.params!r}"


@dataclass(frozen=True)
class Cancel:
    """The cancellation of a run is asked for."""

    run: str
    at: float

    def __str__(self) -> str:
        return f"at {self.at:.3f} s {self.run} is to be cancelled"


@dataclass(frozen=True)
class PauseFor:
    """A run is paused, and goes on so many seconds later."""

    run: str
    at: float
    seconds: float

    def __str__(self) -> str:
        return f"at {self.at:.3f} s {self.run} is paused for {self.seconds:.3f} s"


@dataclass(frozen=True)
class Send:
    """A signal is sent to a run."""

    run: str
    at: float
    signal: str
    payload: Any

    def __str__(self) -> str:
        return f"at {self.at:.3f} s signal {self.signal} is sent to {self.run} with {self.payload!r}"


Decision = Hire | Kill | Halt | Dismiss | Disturb | Start | Cancel | PauseFor | Send
