"""What a check has to say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from redis_mob.errors import Portable

T = TypeVar("T")
S = TypeVar("S")


class Severity(StrEnum):
    """ERROR: it loses data or cannot work. WARNING: it may. NOTE: something to know. OK: as it should be."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"
    OK = "ok"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found, and the setting or step that changes it; empty when nothing needs to change."""

    severity: Severity
    found: str
    change: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """The verdict of a check on one server, and why it matters. `server` shows no password."""

    check: str
    severity: Severity
    found: str
    matters: str
    change: str
    server: str


class NotAnsweredError(Portable, Exception):
    """The server did not answer a question, because the user may not ask it, or the server has no such command."""

    def __init__(self, question: str, reason: str) -> None:
        super().__init__(f"not permitted to look: {question} ({reason})")
        self.question = question
        self.reason = reason


def answered(answer: T | NotAnsweredError) -> T:
    """The answer, or NotAnsweredError if there is none."""
    if isinstance(answer, NotAnsweredError):
        raise answer
    return answer


@dataclass(frozen=True, slots=True)
class Check(Generic[S]):
    """One thing to look at: `look` gives its verdicts, and raises NotAnsweredError if it cannot give one."""

    name: str
    matters: str
    look: Callable[[S], Iterable[Verdict]]


def findings(checks: Sequence[Check[S]], seen: S, server: str) -> Iterator[Finding]:
    """What these checks say to what was seen at a server, in their order."""
    for check in checks:
        for verdict in _verdicts(check, seen):
            yield Finding(check.name, verdict.severity, verdict.found, check.matters, verdict.change, server)


def _verdicts(check: Check[S], seen: S) -> Iterator[Verdict]:
    """Those of a check, up to the question that the server does not answer."""
    try:
        yield from check.look(seen)
    except NotAnsweredError as missing:
        yield note(str(missing), f"allow {missing.question}, or look there yourself")


def error(found: str, change: str) -> Verdict:
    """It loses data or cannot work."""
    return Verdict(Severity.ERROR, found, change)


def warning(found: str, change: str) -> Verdict:
    """It may lose data or stop working."""
    return Verdict(Severity.WARNING, found, change)


def note(found: str, change: str = "") -> Verdict:
    """Something to know."""
    return Verdict(Severity.NOTE, found, change)


def ok(found: str) -> Verdict:
    """As it should be."""
    return Verdict(Severity.OK, found)
