"""What failed in a run: where, for which member or item, why, and at which line of the handler."""

from __future__ import annotations

import re
import sysconfig
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from redis_mob.cli.progress import excerpt, iterations
from redis_mob.fleet.items import MOST_ITEMS
from redis_mob.fleet.said import MOST_REPEATED, bounded
from redis_mob.fleet.transition_builder import FLOW_STEP
from redis_mob.models.base import json_text
from redis_mob.models.events import MobEvent
from redis_mob.models.execution import Execution, ExecutionKey, ExecutionStatus, member_of
from redis_mob.models.flow_events import StepTargetCompleted, StepTargetFailed
from redis_mob.models.flow_spec import FlowSpec
from redis_mob.models.run import FailureLedgerEntry
from redis_mob.models.transition import RunView
from redis_mob.storage import MobStorage

MOST_FAILURES = 50
"""Failures that are told of one run."""

EXCERPT = 160
"""Characters of a detail that a line shows."""

LONG_REASON = 2000
"""Bytes of the reason of a failure that is told; the failure ledger has more."""

_FRAME = re.compile(r'^[\s|+-]*File "(?P<file>.+)", line (?P<line>\d+), in (?P<name>.+)$')
_HEADER = "Traceback (most recent call last):"
_LIBRARIES = ("/site-packages/", "/dist-packages/")
_PACKAGE = Path(__file__).parents[1]
_NOT_OF_USERS = tuple(
    f"{Path(folder).resolve()}/" for folder in (_PACKAGE, *map(sysconfig.get_path, ("stdlib", "platstdlib")))
)


@dataclass(frozen=True, slots=True)
class Failure:
    """One row of the failure ledger, with the member whose attempt it was.

    `step` is None for the flow itself, `member` for what no member did. `item` is the index of the item, from 0, in a
    step with `for_each`; `iteration` counts the rounds of the loops around the step, from 1.
    """

    step: str | None
    reason: str
    member: str | None = None
    item: int | None = None
    iteration: tuple[int, ...] = ()
    attempt: int | None = None
    exception: str | None = None
    detail: Any = None
    traceback: str | None = None

    @property
    def at(self) -> str | None:
        """`handlers.py:12 in read`: the innermost frame that is the user's."""
        return None if self.traceback is None else place_in(self.traceback)

    def line(self) -> str:
        """One line for people, without the traceback."""
        detail = "" if self.detail is None else f" ({excerpt(_text(self.detail), EXCERPT)})"
        place = "" if self.at is None else f", at {self.at}"
        return f"failed{self._where()}: {bounded(self.reason, LONG_REASON)}{detail}{place}"

    def _where(self) -> str:
        if self.step is None:
            return ""
        target = "" if self.member is None else self.member if self.item is None else f"{self.member}#{self.item}"
        iteration = f" iteration {'.'.join(map(str, self.iteration))}" if self.iteration else ""
        return f": step {self.step}{f'[{target}]' if target else ''}{iteration}"

    def as_json(self, *, verbose: bool) -> dict[str, Any]:
        """The same for programs; `verbose` adds the traceback."""
        is_long = len(json_text(self.detail).encode()) > LONG_REASON
        return {
            "step": self.step,
            "member": self.member,
            "item": self.item,
            "iteration": list(self.iteration),
            "attempt": self.attempt,
            "reason": bounded(self.reason, LONG_REASON),
            "exception": self.exception,
            "detail": bounded(_text(self.detail), LONG_REASON) if is_long else self.detail,
            "at": self.at,
            **({"traceback": self.traceback} if verbose else {}),
        }


async def failures_of(
    storage: MobStorage, view: RunView, flow: FlowSpec, events: Iterable[MobEvent]
) -> tuple[Failure, ...]:
    """The first failures of a run, in the order in which they came. Its events tell which items failed."""
    rows = view.run.failure_ledger[:MOST_FAILURES]
    if not rows:
        return ()
    failed = {key: one for key, one in view.executions.items() if one.status is ExecutionStatus.FAILED}
    failed |= await _failed_items(storage, view, events)
    frames = iterations(view, flow)
    found: defaultdict[tuple[str, str | None], list[tuple[ExecutionKey, Execution]]] = defaultdict(list)
    for key, execution in failed.items():
        found[execution.step_id, execution.reason].append((key, execution))
    return tuple(_failure(row, found[row.step_id, row.reason], frames) for row in rows)


async def _failed_items(
    storage: MobStorage, view: RunView, events: Iterable[MobEvent]
) -> dict[ExecutionKey, Execution]:
    """The items that failed, as many as are told: those of which the last that happened is a failure."""
    last: dict[tuple[str, str], bool] = {}
    for event in events:
        if isinstance(event.kind, StepTargetFailed | StepTargetCompleted):
            target = event.kind.step_id, event.kind.target.identity
            last.pop(target, None)
            last[target] = isinstance(event.kind, StepTargetFailed)
    targets: defaultdict[str, list[str]] = defaultdict(list)
    for (step, target), has_failed in last.items():
        if has_failed:
            targets[step].append(target)
    keys: list[ExecutionKey] = []
    for (frame_id, node_id), progress in view.progress.items():
        if progress.failed:
            begun = (one for one in targets[progress.step_id] if _index_of(one) < progress.begun)
            here = [ExecutionKey(frame_id, node_id, target) for target in begun]
            keys += [key for key in here if key not in view.executions][:MOST_FAILURES]  # the others are over
    ended = await storage.executions.ended(view.run.run_id, keys) if keys else ()
    pairs = zip(keys, ended, strict=True)
    return {key: execution for key, execution in pairs if execution.status is ExecutionStatus.FAILED}


def _index_of(target: str) -> int:
    """Which item a target is for; beyond all of them if it is that of the supervisor, who is told of the step."""
    index = target.rpartition("#")[2]
    return int(index) if index.isdecimal() else MOST_ITEMS


def _failure(
    row: FailureLedgerEntry, candidates: list[tuple[ExecutionKey, Execution]], frames: Mapping[str, tuple[int, ...]]
) -> Failure:
    report = row.error_report.reason if row.error_report is not None else None
    told: Mapping[str, Any] = cast("Mapping[str, Any]", report) if isinstance(report, Mapping) else {}
    step = None if row.step_id == FLOW_STEP else row.step_id
    exception, detail, traceback = (told.get(name) for name in ("exception", "detail", "traceback"))
    if not candidates:
        return Failure(step, row.reason, exception=exception, detail=detail, traceback=traceback)
    key, execution = candidates.pop(0)
    return Failure(
        step,
        row.reason,
        member_of(key, execution),
        None if execution.item is None else execution.item.index,
        frames.get(key.frame_id, ()),
        execution.attempt,
        exception,
        detail,
        traceback,
    )


def place_in(traceback: str) -> str | None:
    """The innermost frame of a traceback that is neither of a library nor of Python; else the innermost one.

    None if that is of this package: where a handler of ours says what has failed tells its users nothing.
    """
    lines = traceback.splitlines()
    # that of the exception itself comes after those of its causes
    began = max((number for number, line in enumerate(lines) if line == _HEADER), default=0)
    frames = [found for line in lines[began:] if (found := _FRAME.match(line))]
    if not frames:
        return None
    own = [frame for frame in frames if _is_of_user(frame["file"])]
    frame = (own or frames)[-1]
    if not own and _is_ours(frame["file"]):
        return None
    return f"{_short(frame['file'])}:{frame['line']} in {frame['name']}"


def _is_of_user(file: str) -> bool:
    return not (file.startswith(("<", *_NOT_OF_USERS)) or any(folder in file for folder in _LIBRARIES))


def _is_ours(file: str) -> bool:
    return file.startswith(_NOT_OF_USERS[0]) or any(f"{folder}{_PACKAGE.name}/" in file for folder in _LIBRARIES)


def _short(file: str) -> str:
    path, here = Path(file), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else file


def _text(value: Any) -> str:
    return bounded(value if isinstance(value, str) else json_text(value), MOST_REPEATED)


def lines_of(failures: Sequence[Failure], total: int, *, verbose: bool) -> Iterator[str]:
    """Lines for people, each once; with `verbose` each traceback too, as it was stored."""
    told: dict[str, Failure] = {}
    for failure in failures:
        told.setdefault(failure.line(), failure)
    for line, failure in told.items():
        yield line
        if verbose and failure.traceback is not None:
            yield from (f"    {one}" for one in failure.traceback.splitlines())
    if (more := total - len(failures)) > 0:
        yield f"and {more:,} more failures"
