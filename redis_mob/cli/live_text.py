"""What the members at work tell, as people see it while the run goes on. Pure; nothing is drawn here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from redis_mob.cli.progress import State, StepProgress, iteration_suffix
from redis_mob.models.execution import ExecutionKey
from redis_mob.models.progress import (
    OUTPUT,
    ProgressEntry,
    ProgressReport,
    StoredProgress,
    StreamChunk,
    StreamEnd,
    StreamReset,
)

MOST_SHOWN = 100
"""Characters of a message, and of the end of a streamed text, that are shown."""

PAUSE_SECONDS = 1.0
"""How long after a line about a step the next one comes, at the earliest."""

SHORTEST_WAIT = 0.1
"""Least seconds until it is looked again whether a line is due, so that looking never becomes the work."""


@dataclass(slots=True)
class _Told:
    report: str = ""
    text: str = ""


class LiveText:
    """The latest report of each member at work, and the end of the text that it streams.

    Of streams only texts of the default topic are shown: others are for programs.
    """

    def __init__(self) -> None:
        self._told: dict[ExecutionKey, _Told] = {}

    def add(self, entry: ProgressEntry) -> None:
        """Take notice of an entry; they come in the order of their offsets."""
        match entry:
            case ProgressReport():
                self._of(entry).report = _report(entry)
            case StreamChunk(topic=topic, value=str(text)) if topic == OUTPUT:
                told = self._of(entry)
                told.text = (told.text + text)[-2 * MOST_SHOWN :]
            case StreamReset() | StreamEnd():
                self._told.pop(_key(entry), None)
            case _:
                pass

    def of(self, key: ExecutionKey) -> str:
        """What a member has told lately, on one line; empty if that is nothing, or if it has ended."""
        told = self._told.get(key)
        return "" if told is None else f"{told.report} {_end(told.text)}".strip()

    def _of(self, entry: StoredProgress) -> _Told:
        return self._told.setdefault(_key(entry), _Told())


class PacedLines:
    """Lines of what members tell, where lines stay: at most one a second for each step, with the latest.

    `now` is in seconds, by any clock that does not go back.
    """

    def __init__(self) -> None:
        self._text = LiveText()
        self._unsaid: dict[str, ExecutionKey] = {}
        """Of each step, the member that has told something since the last line."""
        self._said_at: dict[str, float] = {}

    def add(self, entry: ProgressEntry) -> None:
        """Take notice of an entry."""
        self._text.add(entry)
        match entry:
            case ProgressReport() | StreamChunk():
                if self._text.of(_key(entry)):
                    self._unsaid[entry.step_id] = _key(entry)
            case StreamReset() | StreamEnd():
                if self._unsaid.get(entry.step_id) == _key(entry):
                    del self._unsaid[entry.step_id]
            case _:
                pass

    def due(self, progress: Sequence[StepProgress], now: float) -> list[str]:
        """The lines that are to be written now, of members that the run shows at work."""
        late = {step for step in self._unsaid if now >= self._said_at.get(step, now - PAUSE_SECONDS) + PAUSE_SECONDS}
        lines: list[str] = []
        for step in progress if late else ():
            for one in step.members if step.step in late else ():
                if one.state is State.RUNNING and one.key == self._unsaid.get(step.step):
                    lines.append(f"step {step.step}[{one.member}]{iteration_suffix(step)} {self._text.of(one.key)}")
                    self._said_at[step.step] = now
                    del self._unsaid[step.step]
        return lines

    def wait(self, now: float) -> float | None:
        """Seconds until a line may be due; None if there is nothing to say."""
        times = [self._said_at.get(step, now) + PAUSE_SECONDS - now for step in self._unsaid]
        return max(min(times), SHORTEST_WAIT) if times else None


def _key(entry: StoredProgress) -> ExecutionKey:
    return ExecutionKey(entry.frame_id, entry.node_id, entry.member)


def _report(entry: ProgressReport) -> str:
    percent = "" if entry.fraction is None else f"{entry.fraction:.0%}"
    return f"{percent} {_on_one_line(entry.message or '')[:MOST_SHOWN]}".strip()


def _end(text: str) -> str:
    line = _on_one_line(text)
    return line if len(line) <= MOST_SHOWN else f"…{line[-MOST_SHOWN:]}"


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
