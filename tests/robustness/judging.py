"""Whether what the processes have noted agrees with what the store holds in the end."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, NamedTuple, TypeAlias

from redis_mob.models.authority import RecordLoopBodyFrameCompleted
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.new_events import number_of
from tests.robustness.load import Notes
from tests.robustness.notes import END, NUMBERS, Call, Sighting, number_in
from tests.robustness.writer import PATIENCE, STALE

LOST_EPOCH = "EpochChangedError"
_NEWS = {"event": LOST_EPOCH, "config": "ChangeFeedTruncatedError"}
"""What the followers are told when what they have seen is lost; the contract of config documents knows no epochs."""

_SHOWN = 20
_AFTER_PATIENCE = ("OutcomeUnknownError", "DurabilityError")


class Entry(NamedTuple):
    """What is stored of a call, or seen; a stored config document does not say its cursor, and shows 0."""

    cursor: int
    writer: str
    number: int


Series: TypeAlias = tuple[str, str, str]
"""(namespace, kind, writer): what the numbers of one sequence have in common."""


@dataclass
class Stored:
    """What all namespaces hold."""

    events: dict[str, list[Entry]] = field(default_factory=dict[str, list[Entry]])
    """The log of each namespace."""
    numbers: dict[Series, list[int]] = field(default_factory=lambda: defaultdict[Series, list[int]](list))
    """The numbers of each sequence, in the order in which they were written where the store keeps that."""


class Disruption(NamedTuple):
    """A failover: when it began, and when there was a new primary."""

    began: float
    settled: float


@dataclass
class Verdict:
    """What was found; `broken` has a sentence for each time that a guarantee was broken."""

    acknowledged: Counter[str] = field(default_factory=Counter[str])
    lost: list[Call] = field(default_factory=list[Call])
    doubled: int = 0
    errors: Counter[str] = field(default_factory=Counter[str])
    broken: list[str] = field(default_factory=list[str])
    longest_call: float = 0.0

    @property
    def figures(self) -> dict[str, Any]:
        """What a program reports of it."""
        return {
            "acknowledged": dict(self.acknowledged),
            "lost": dict(Counter(call.kind for call in self.lost)),
            "doubled": self.doubled,
            "errors": dict(self.errors),
            "longest call (s)": round(self.longest_call, 2),
        }

    @property
    def shown(self) -> list[str]:
        """The first of what is broken, and how much more there is."""
        more = len(self.broken) - _SHOWN
        return [*self.broken[:_SHOWN], *([f"{more} times more"] if more > 0 else [])]


async def read_stored(url: str, namespaces: Iterable[str], writers: Iterable[str]) -> Stored:
    """Read everything that the writers may have written."""
    stored = Stored()
    for namespace in namespaces:
        async with MobStorage.open(url, namespace=namespace) as storage:
            events = [event for event in await storage.events.replay_all() if event.mob_id != END]
            stored.events[namespace] = [Entry(one.cursor, one.mob_id, number_of(one)) for one in events]
            for event in stored.events[namespace]:
                stored.numbers[namespace, "event", event.writer].append(event.number)
            async for document, _ in storage.config.walk(NUMBERS, 1000):
                if document != END:
                    writer, number = number_in(document)
                    stored.numbers[namespace, "config", writer].append(number)
            for writer in writers:
                for run in await storage.runs.list_runs(writer):
                    for moved in run.flow_authority_inputs:
                        assert isinstance(moved, RecordLoopBodyFrameCompleted)
                        stored.numbers[namespace, "run", writer].append(moved.payload.iteration)
    return stored


def judge(
    notes: Notes, stored: Stored, *, loses_nothing: bool, disruptions: Sequence[Disruption] | None = None
) -> Verdict:
    """Compare the notes with the store.

    `loses_nothing` says that no acknowledged write may be lost; otherwise each loss has to be told to the writer, and
    to a follower that saw what was lost, before the next disruption. Without `disruptions` no call may fail.
    """
    verdict = Verdict()
    verdict.longest_call = max(call.ended - call.began for call in notes.calls)
    _judge_errors(verdict, notes, may_fail=disruptions is not None)
    _judge_writes(verdict, notes, stored)
    told = _Told(notes, disruptions or ())
    for call in verdict.lost:
        if loses_nothing:
            verdict.broken.append(f"acknowledged, and lost: {call}")
        elif not told.soon_after(call.ended, call.namespace, call.writer):
            verdict.broken.append(f"acknowledged, lost, and its writer was not told: {call}")
    for namespace, log in stored.events.items():
        numbers = [
            Entry(0, writer, number)
            for (name, kind, writer), written in stored.numbers.items()
            if (name, kind) == (namespace, "config")
            for number in written
        ]
        _judge_sightings(verdict, notes, namespace, "event", log, told)
        _judge_sightings(verdict, notes, namespace, "config", numbers, told)
    return verdict


def _judge_errors(verdict: Verdict, notes: Notes, *, may_fail: bool) -> None:
    for call in notes.calls:
        if call.is_acknowledged:
            verdict.acknowledged[call.kind] += 1
            continue
        verdict.errors[call.error] += 1
        tried_long = call.error in _AFTER_PATIENCE and call.ended - call.began >= PATIENCE
        if not (may_fail and (tried_long or call.error in (LOST_EPOCH, STALE))):
            verdict.broken.append(f"failed: {call}")
    for trouble in notes.troubles:
        verdict.errors[f"{trouble.error} at a follower"] += 1
        if not (may_fail and trouble.error == _NEWS[trouble.kind]):
            verdict.broken.append(f"failed: {trouble}")


def _judge_writes(verdict: Verdict, notes: Notes, stored: Stored) -> None:
    """Whether the store holds what was acknowledged, once, and nothing else but what may have happened."""
    calls = {(call.namespace, call.kind, call.writer, call.number): call for call in notes.calls}
    for series, numbers in stored.numbers.items():
        counts = Counter(numbers)
        verdict.doubled += (doubled := counts.total() - len(counts))
        if doubled:
            verdict.broken.append(f"{doubled} numbers of {series} were written again")
        if numbers != sorted(numbers):
            verdict.broken.append(f"the numbers of {series} are not in the order in which they were written")
        for number in counts:
            if (call := calls.get((*series, number))) is None or call.error == "WriteFailedError":
                verdict.broken.append(f"{number} of {series} is there, though no call wrote it")
    present = {series: set(numbers) for series, numbers in stored.numbers.items()}
    verdict.lost = [
        call
        for (namespace, kind, writer, number), call in calls.items()
        if call.is_acknowledged and number not in present.get((namespace, kind, writer), ())
    ]
    for namespace, log in stored.events.items():
        for cursor, writer, number in log:
            call = calls.get((namespace, "event", writer, number))
            if call is not None and call.is_acknowledged and call.cursor != cursor:
                verdict.broken.append(f"is at cursor {cursor}: {call}")


def _judge_sightings(
    verdict: Verdict, notes: Notes, namespace: str, kind: str, stored: Sequence[Entry], told: _Told
) -> None:
    """Whether the follower saw everything once, in order, and was told in time of what it had seen and is lost."""
    seen, where = _seen(notes, namespace, kind), f"the follower of the {kind}s of {namespace}"
    present = {(writer, number) for _, writer, number in stored}
    for one in notes.sightings:
        is_lost = (one.namespace, one.kind) == (namespace, kind) and (one.writer, one.number) not in present
        if is_lost and not told.soon_after(one.at, namespace, kind):
            verdict.broken.append(f"{where} was not told that this was lost: {one}")
    times = Counter((writer, number) for _, writer, number in seen)
    for entry in present.symmetric_difference(times):
        verdict.broken.append(f"{where} {'missed' if entry in present else 'goes on with the lost'} {entry}")
    for entry, count in times.items():
        if count > 1:
            verdict.broken.append(f"{where} saw {entry} {count} times")
    if kind == "event" and not set(seen) <= set(stored):
        verdict.broken.append(f"{where} saw other cursors than are stored")
    if seen != sorted(seen):
        verdict.broken.append(f"{where} saw them out of order")


def _seen(notes: Notes, namespace: str, kind: str) -> list[Entry]:
    """What a follower takes for the log: all that it saw, but what it was told is gone."""
    seen: list[Entry] = []
    for note in sorted((*notes.sightings, *notes.troubles), key=lambda note: note.at):
        if (note.namespace, note.kind) != (namespace, kind):
            continue
        if isinstance(note, Sighting):
            seen.append(Entry(note.cursor, note.writer, note.number))
        elif note.kept is not None:
            kept = note.kept
            seen = [entry for entry in seen if entry.cursor <= kept]
    return seen


class _Told:
    """When whom was told that writes were lost."""

    def __init__(self, notes: Notes, disruptions: Sequence[Disruption]) -> None:
        self._disruptions = disruptions
        self._times = defaultdict[tuple[str, str], list[float]](list)
        for call in notes.calls:
            if call.error == LOST_EPOCH:
                self._times[call.namespace, call.writer].append(call.ended)
        for trouble in notes.troubles:
            if trouble.error == _NEWS[trouble.kind]:
                self._times[trouble.namespace, trouble.kind].append(trouble.at)

    def ever(self, namespace: str, whom: str) -> bool:
        """Whether a writer, or the follower of a kind, was told at all."""
        return bool(self._times[namespace, whom])

    def soon_after(self, moment: float, namespace: str, whom: str) -> bool:
        """Whether he was told after this moment, and before the disruption that came after the next one."""
        following = [one.began for one in self._disruptions if one.settled > moment][1:]
        until = following[0] if following else inf
        return any(moment < time < until for time in self._times[namespace, whom])
