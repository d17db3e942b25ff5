"""Histories under nemeses: what is sound passes, and each fault that is planted is found."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from redis_mob.storage import MobStorage, OpeningStorage
from redis_mob.testing.history import RecordedCall
from redis_mob.testing.robustness import fleet, runner
from redis_mob.testing.robustness.clients import Part, Traffic
from redis_mob.testing.robustness.judging import judge
from redis_mob.testing.robustness.log import Append, Held, Page, Watcher, judge_log
from redis_mob.testing.robustness.nemeses import NEMESES
from redis_mob.testing.robustness.nemesis import Trouble
from redis_mob.testing.robustness.objects import DONE, KINDS, Beliefs, Call, ObjectModel
from redis_mob.testing.robustness.sabotage import sabotaged
from redis_mob.testing.robustness.saboteurs import SABOTEURS, Saboteur
from redis_mob.testing.robustness.verdict import Setting, Verdict, verdict_in
from tests.robustness.seeds import new_seed

ROOT = Path(__file__).resolve().parents[2]
SMALL = Setting(operations=150, clients=4, disruptions=1)

APPENDS = [Append(0, [7], 0, 10, (1,)), Append(1, [8, 9], 20, 30, (2, 3))]
HELD: Held = [(1, 7), (2, 8), (3, 9)]


def in_memory() -> OpeningStorage:
    return MobStorage.open("memory:", namespace="robustness")


async def test_a_storage_in_memory_is_sound() -> None:
    verdict = Verdict(Setting(seed=new_seed(), operations=400, clients=4))
    traffic = await runner.record(in_memory, Trouble(Random(0)), verdict)
    await judge(traffic, verdict, reads_may_be_undone=False)
    assert verdict.is_sound, verdict.anomalies
    assert verdict.operations >= 400
    assert verdict.objects >= 6
    assert verdict.events > 0


@pytest.mark.parametrize(
    "nemesis", [name for name, one in NEMESES.items() if "single" in one.topologies and not one.is_of_fleets]
)
async def test_a_server_that_syncs_each_write_keeps_its_promises(nemesis: str) -> None:
    kind = NEMESES[nemesis]
    setting = replace(SMALL, nemesis=nemesis, seed=new_seed())
    verdict = await runner.history(setting)
    if verdict.skipped:
        assert verdict.skipped == kind.missing()
        return
    assert verdict.is_sound, verdict.anomalies
    assert verdict.operations >= setting.operations
    assert len(verdict.recoveries) == 1


async def test_clients_are_told_of_each_loss_of_a_server_that_keeps_nothing() -> None:
    verdict = await runner.history(replace(SMALL, durability="memory", operations=400, disruptions=2, seed=new_seed()))
    assert verdict.is_sound, verdict.anomalies
    assert verdict.told_losses > 0


async def test_a_fleet_whose_worker_dies_ends_all_its_runs() -> None:
    setting = Setting(traffic="fleet", nemesis="worker-dies", operations=100, disruptions=1, seed=new_seed())
    verdict = await fleet.history(setting)
    assert verdict.is_sound, verdict.anomalies
    assert verdict.objects == 2


def test_what_cannot_be_is_not_made() -> None:
    assert "does not break" in runner.skipped(replace(SMALL, nemesis="resharding"))
    assert runner.skipped(replace(SMALL, topology="cluster", nemesis="primary-dies"))
    assert not runner.skipped(SMALL)


@pytest.mark.parametrize("saboteur", SABOTEURS.values(), ids=lambda one: one.name)
def test_the_line_of_a_saboteur_stands_once_in_its_file(saboteur: Saboteur) -> None:
    text = (ROOT / saboteur.file).read_text()
    assert sabotaged(saboteur, text) != text
    assert NEMESES[saboteur.nemesis]


def test_a_line_that_is_gone_is_named() -> None:
    with pytest.raises(ValueError, match=r"stands 0 times in lua/records/insert\.lua"):
        sabotaged(SABOTEURS["records-overwritten"], "return 1")


@pytest.mark.parametrize("name", ["states-not-compared", "receipts-not-looked-at", "events-skipped"])
async def test_a_saboteur_is_found(name: str) -> None:
    """One in a script, one in the session, one in the subscription; `make report` looks for all of them."""
    command = [sys.executable, "-m", "redis_mob.testing.robustness", *SABOTEURS[name].arguments]
    small = ("--histories", "20", "--operations", "300", "--disruptions", "1", "--seed", "1")
    process = await asyncio.create_subprocess_exec(*command, *small, stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()
    assert process.returncode == 0, said.decode()
    assert f"{name} was found" in said.decode()


async def test_a_verdict_comes_back_from_its_line() -> None:
    verdict = Verdict(SMALL, operations=3, anomalies=["one"], recoveries=[0.5], outcomes={"answered": 3})
    assert verdict_in(verdict.line) == verdict
    many = verdict_in(Verdict(SMALL, anomalies=["one"] * 25).line)
    assert len(many.anomalies) == 25
    assert "--seed 5" in replace(SMALL, seed=5, saboteur="x").command


@pytest.mark.parametrize("kind", KINDS)
async def test_the_models_answer_as_the_storage_does(kind: str) -> None:
    random = Random(new_seed())
    beliefs, model = Beliefs(random), ObjectModel()
    state = model.start()
    async with in_memory() as storage:
        for number in range(1, 80):
            name = "0191a6a0-0000-4000-8000-000000000001"
            call = beliefs.draw(kind, name, number)
            if random.random() < 0.3:
                call = call._replace(expected=call.expected + random.randrange(2))
            expected, state = model.apply(state, call)
            result = await KINDS[kind].perform(storage, call)
            assert result == expected, call
            beliefs.learn(call, result)


def faults(
    held: Held, *, appends: list[Append] = APPENDS, pages: list[Page] | None = None, cut: int | None = None
) -> str:
    return "; ".join(judge_log(appends, pages or [], held, (), cut))


def test_a_log_that_holds_what_was_said_is_sound() -> None:
    assert not faults(HELD, pages=[Page(1, 5, [(2, 8), (3, 9)], 40, 50), Page(0, 5, [(1, 7)], 11, 50)])


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ([(1, 7), (2, 8)], "events [8, 9] were acknowledged at [2, 3], and are at [2, None]"),
        ([(1, 7), (2, 8), (3, 9), (4, 8)], "event 8 is in the log 2 times"),
        ([*HELD, (4, 5)], "event 5 is in the log, and no call that may have happened wrote it"),
        ([(1, 7), (2, 8), (4, 9)], "event 9 is at cursor 4, behind 2"),
    ],
)
def test_a_log_with_a_fault(held: Held, said: str) -> None:
    assert said in faults(held)


def test_events_out_of_the_order_of_time_are_found() -> None:
    later = [Append(0, [7], 40, 50, (1,)), APPENDS[1]]
    assert "event 7 was appended after 9, and is before it" in faults(HELD, appends=later)


def test_pages_that_skip_or_end_too_early_are_found() -> None:
    assert "a page behind 0 had [(2, 8)]" in faults(HELD, pages=[Page(0, 5, [(2, 8)], 40, 50)])
    assert "a page behind 0 ended with 1, and 3 was there" in faults(HELD, pages=[Page(0, 5, [(1, 7)], 40, 50)])


def test_only_the_newest_events_may_be_lost() -> None:
    assert not faults([(1, 7)], cut=35)
    assert "the event of cursor 1 is lost, and one behind it, 3, is still there" in faults([(2, 8), (3, 9)], cut=35)


async def judged(part: Part, watcher: Watcher, *, durability: str = "fsync") -> Verdict:
    traffic = Traffic(in_memory, seed=0, clients=0, operations=0)
    traffic.parts, traffic.watcher = [part, Part(held=part.held)] if part.cut else [part], watcher
    verdict = Verdict(replace(SMALL, durability=durability))
    await judge(traffic, verdict, reads_may_be_undone=False)
    return verdict


async def test_a_client_that_is_not_told_of_its_loss_is_found() -> None:
    part = Part(appends=list(APPENDS), held=[(1, 7)], cut=35, told={0})
    verdict = await judged(part, Watcher([(1, 7)]), durability="memory")
    assert verdict.anomalies == ["events [8, 9] of client 1 were acknowledged and lost, and it was not told"]
    told = await judged(replace(part, told={0, 1}), Watcher([(1, 7)]), durability="memory")
    assert told.is_sound
    assert told.told_losses == 2


async def test_a_watcher_that_missed_an_event_is_found() -> None:
    watcher = Watcher()
    watcher.see(1, 7)
    watcher.see(3, 9)
    verdict = await judged(Part(appends=list(APPENDS), held=list(HELD)), watcher)
    assert verdict.anomalies[0].startswith("a watcher saw 2 events, and the log has 3; behind 1 of them")
    watcher.go_back(1)
    watcher.see(1, 7)
    assert "the watcher saw cursor 1" in watcher.odd[0]


async def test_an_answer_that_no_order_explains_is_found() -> None:
    first = RecordedCall(0, Call("document", "d", "put_if_revision", 0, 1), 0, 10, DONE)
    again = RecordedCall(1, Call("document", "d", "put_if_revision", 0, 2), 20, 30, DONE)
    verdict = await judged(Part(calls=[first, again]), Watcher())
    assert "there is no serial order" in verdict.anomalies[0]


async def test_an_object_that_holds_what_no_call_wrote_is_found() -> None:
    first = RecordedCall(0, Call("document", "d", "put_if_revision", 0, 1), 0, 10, DONE)
    part = Part(calls=[first], cut=50, found={"d": (1, 1)})
    assert (await judged(part, Watcher(), durability="memory")).is_sound
    verdict = await judged(replace(part, found={"d": (1, 9)}), Watcher(), durability="memory")
    assert verdict.anomalies == ["d holds 9, and no call that may have happened wrote that"]


async def test_a_call_that_was_under_way_at_a_loss_has_no_known_answer() -> None:
    first = RecordedCall(0, Call("document", "d", "put_if_revision", 0, 1), 0, 10, DONE)
    across = RecordedCall(1, Call("document", "d", "put_if_revision", 0, 2), 20, 60, DONE)
    assert (await judged(Part(calls=[first, across], cut=50), Watcher(), durability="memory")).is_sound
