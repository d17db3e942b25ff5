"""What each compound operation sends, and how many commands it makes the server do, to the byte.

Figures like these do not depend on the machine: a change of one is a change of the library. Lower ones are progress;
a higher one wants a reason.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import pytest

from redis_mob import MobStorage
from redis_mob.bench.meters import ServerMeter
from redis_mob.bench.scenarios.fleet import definition_of, nothing
from redis_mob.bench.scenarios.runs import OPERATIONS, Swing, run_of
from redis_mob.connection.calls.client import Client
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.working import at_work
from redis_mob.models import MobRun, MobRunStatus
from redis_mob.models.run_summary import RunFilter

RUN = "0191a6a0-0000-4000-8000-000000000001"
STEPS = 50
BEFORE = 120
"""Calls before the counted ones, so that numbers which are sent have the digits that they keep for a while."""

CALLS = 10


class Counts(NamedTuple):
    """Of ten calls: commands, those within the script included; bytes that the server gets, and that it sends."""

    commands: int
    received: int
    sent: int


EXPECTED = {
    "cas_flow_state": Counts(commands=80, received=7445, sent=40),
    "cas_frame_state": Counts(commands=90, received=8350, sent=40),
    "cas_grant_node_slot": Counts(commands=100, received=9565, sent=40),
    "cas_complete_step_and_record_output": Counts(commands=110, received=9850, sent=40),
    "cas_start_loop": Counts(commands=150, received=12295, sent=40),
    "cas_loop_request_body_frame": Counts(commands=100, received=8778, sent=40),
    "cas_grant_body_frame_start": Counts(commands=210, received=16664, sent=40),
    "cas_complete_body_frame": Counts(commands=120, received=11858, sent=40),
    "cas_complete_loop": Counts(commands=120, received=11858, sent=40),
}


@pytest.mark.parametrize("name", OPERATIONS)
async def test_commands_and_bytes_of_a_compound_operation(
    server_url: str, namespace: str, connection: Client, name: str
) -> None:
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        # always the same, because it is compressed, and an id of other digits may take a byte more
        run = run_of(STEPS).model_copy(update={"run_id": RUN})
        await storage.runs.create_run(run)
        operate: Callable[[], Awaitable[None]] = getattr(Swing(storage.runs, run), name)
        for _ in range(BEFORE):
            await operate()
        meter = ServerMeter(connection)
        before = await meter.read()
        for _ in range(CALLS):
            await operate()
        after = await meter.read()
    assert before is not None
    assert after is not None
    counted = Counts(after.commands - before.commands, after.received - before.received, after.sent - before.sent)
    assert counted == EXPECTED[name]


def of_index(storage: MobStorage, runs: list[MobRun]) -> dict[str, Callable[[], Awaitable[object]]]:
    """What the index of runs by status is written and read by; each call is of another run, or of all."""
    new, pending, running = iter(runs), iter(runs), iter(runs)
    change = storage.runs.cas_run_status
    return {
        "create_run": lambda: storage.runs.create_run(next(new)),
        "begin": lambda: change(next(pending).run_id, expected=MobRunStatus.PENDING, next=MobRunStatus.RUNNING),
        "complete": lambda: change(next(running).run_id, expected=MobRunStatus.RUNNING, next=MobRunStatus.COMPLETED),
        "count": storage.operations.count,
        "a page of 5 runs": lambda: storage.operations.runs(limit=5),
        "a page of 5 completed runs": lambda: storage.operations.runs(
            RunFilter(statuses=(MobRunStatus.COMPLETED,)), limit=5
        ),
        "find": lambda: storage.operations.find(runs[0].run_id),
    }


COMMANDS = {
    "create_run": 220,
    "begin": 100,
    "complete": 130,
    "count": 110,
    "a page of 5 runs": 250,
    "a page of 5 completed runs": 210,
    "find": 30,
}
"""Of ten calls, those within the scripts included."""


async def test_commands_of_the_index_of_runs(server_url: str, namespace: str, connection: Client) -> None:
    ids = [f"{RUN[:-2]}{number:02}" for number in range(2 * CALLS)]
    sample = run_of(STEPS).model_copy(update={"status": MobRunStatus.PENDING})
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        meter = ServerMeter(connection)
        found: dict[str, int] = {}
        for name, call in of_index(storage, [sample.model_copy(update={"run_id": run_id}) for run_id in ids]).items():
            for _ in range(CALLS):
                await call()
            before = await meter.read()
            for _ in range(CALLS):
                await call()
            after = await meter.read()
            assert before is not None
            assert after is not None
            found[name] = after.commands - before.commands
    assert found == COMMANDS


async def test_a_run_of_one_step_takes_seven_calls_from_its_start_to_its_end(
    server_url: str, namespace: str, connection: Client
) -> None:
    """Writes: its start, what takes it, the decision that begins its step, and that which ends the run. Reads: the run
    by the worker; its status, and the run, by the one that waits. A worker may look at the schedule once more, so that
    the least counts.
    """
    meter = ServerMeter(connection)
    counted: list[tuple[int, int]] = []
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        fleet = Fleet(storage, definition_of("chain", 1), {"worker": nothing})
        async with at_work(lambda stop: fleet.work(stop=stop)):
            for _ in range(10):
                before = await meter.calls()
                await fleet.wait(await fleet.start("flow"))
                after = await meter.calls()
                counted.append(
                    (after["evalsha"] - before.get("evalsha", 0), after["evalsha_ro"] - before["evalsha_ro"])
                )
    assert min(counted) == (4, 3)
