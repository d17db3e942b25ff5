"""Whether what clients were told could have happened, and whether those were told whose writes were lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from redis_mob.testing.history import History, NoSerialOrderError, RecordedCall, check
from redis_mob.testing.robustness.clients import Part, Traffic
from redis_mob.testing.robustness.log import Held, judge_log, lost_of
from redis_mob.testing.robustness.objects import Call, ObjectModel
from redis_mob.testing.robustness.verdict import Verdict

MOST_APPLIED = 300_000
"""Calls that the search for a serial order of one object may try."""

_REFUSED: type[NoSerialOrderError[Call]] = NoSerialOrderError


async def judge(traffic: Traffic, verdict: Verdict, *, reads_may_be_undone: bool) -> None:
    """Compare what the clients of a traffic were told with what the storage held, and add what is found to a verdict.

    `reads_may_be_undone` says that a client may have read what was not safe yet, and was lost: where writes wait for
    replicas, reads do not.
    """
    setting = verdict.setting
    verdict.outcomes = dict(sorted(traffic.outcomes.items()))
    verdict.operations = traffic.started
    verdict.anomalies += [*traffic.odd, *traffic.watcher.odd]
    before: Held = ()
    for part in traffic.parts:
        pages = () if reads_may_be_undone or setting.may_lose else part.pages
        verdict.anomalies += judge_log(part.appends, pages, part.held, before, part.cut)
        verdict.anomalies += _judge_losses(part, verdict)
        await _judge_objects(part, verdict, without_reads=reads_may_be_undone)
        before = part.held
    last = traffic.parts[-1]
    verdict.events = len(last.held)
    if traffic.watcher.seen != list(last.held):
        verdict.anomalies.append(_difference(traffic.watcher.seen, last.held))
    told = traffic.outcomes["told of a loss"]
    if told and not setting.may_lose:
        verdict.anomalies.append(
            f"clients were told {told} times of a loss that durability {setting.durability} excludes"
        )


def _judge_losses(part: Part, verdict: Verdict) -> Iterator[str]:
    """Each client that has lost an acknowledged event was told."""
    if part.cut is None:
        return
    lost = lost_of(part.appends, part.held, part.cut)
    verdict.clients_told += len(part.told)
    for one in lost:
        if one.client in part.told:
            verdict.told_losses += len(one.numbers)
        else:
            yield f"events {list(one.numbers)} of client {one.client} were acknowledged and lost, and it was not told"


async def _judge_objects(part: Part, verdict: Verdict, *, without_reads: bool) -> None:
    verdict.anomalies += _unwritten(part)
    calls: list[RecordedCall[Call]] = []
    for recorded in part.calls:
        if part.cut is not None and recorded.ended is not None and recorded.ended >= part.cut:
            # it may have been answered by the storage as it was before, or as it is since
            if not recorded.call.is_read:
                calls.append(replace(recorded, ended=None, result=None))
        elif not (without_reads and recorded.call.is_read and recorded.client != -1):
            calls.append(recorded)
    for (kind, name), history in History(calls).split(lambda call: (call.kind, call.object)).items():
        verdict.objects += 1
        try:
            await check(history, ObjectModel(part.before.get(name)), limit=MOST_APPLIED)
        except _REFUSED as error:
            if error.exhausted:
                verdict.anomalies.append(f"{kind} {name}: {error}")
            else:
                verdict.undecided += 1


def _unwritten(part: Part) -> Iterator[str]:
    """What an object holds behind a part is what it held before, or what calls wrote that may have happened.

    Behind the last part a serial order shows more; where the storage may have gone back, this is what can be said.
    """
    written = {name: set(state or ()) for name, state in part.before.items()}
    for recorded in part.calls:
        written.setdefault(recorded.call.object, set()).add(recorded.call.number)
    for name, state in part.found.items():
        # of a document only the number, which stands behind the revision
        for number in (state or ())[-1:]:
            if number and number not in written.get(name, ()):
                yield f"{name} holds {number}, and no call that may have happened wrote that"


def _difference(seen: Held, held: Held) -> str:
    same = 0
    while same < min(len(seen), len(held)) and seen[same] == held[same]:
        same += 1
    return (
        f"a watcher saw {len(seen)} events, and the log has {len(held)}; behind {same} of them it saw "
        f"{list(seen[same : same + 3])} where the log has {list(held[same : same + 3])}"
    )
