"""How much work an operation is for the server: the commands that its script runs, exactly.

What a script costs there follows mostly from their number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from redis_mob.connection.calls.client import Client, connect
from redis_mob.storage import MobStorage
from redis_mob.testing.conformance.run_guarantee import created
from redis_mob.testing.samples.compound import INPUTS, OPERATIONS
from redis_mob.testing.samples.driven_runs import STEPS_AND_LOOP, keys_of, waiting
from redis_mob.testing.samples.new_events import numbered

SESSION = Counter(hget=2, hset=1)
"""The last receipt of the slot and the epoch are read, and the receipt is written."""

NEW_INPUTS = Counter(rpush=1, hincrby=1)
"""The inputs are appended in one element, and counted."""

DIGEST = Counter(hget=1, hset=1)
"""A digest is compared, and written with all that has changed of its snapshot."""

RUN_EXISTS = Counter(hlen=1)
ABSENT = Counter(hmget=1, hlen=1)
"""What is absent has not been lost: its key holds as much as was counted."""
COUNTED = Counter(hincrby=1)
COUNTED_TOGETHER = Counter(hmget=1, hset=1)

MOVED_IN_INDEX = Counter(hget=1, zcard=1, zadd=1, zrem=1)
"""The sequence of the run, whether the index is one, where the run stands from now on, and where it stood."""

OPERATIONS_COST = {
    "cas_flow_state": DIGEST + NEW_INPUTS,
    # the status is compared and written as a digest is, and moved in the index
    "cas_run_snapshot": DIGEST + DIGEST + NEW_INPUTS + MOVED_IN_INDEX,
    "cas_frame_state": RUN_EXISTS + DIGEST + NEW_INPUTS,
    "cas_grant_node_slot": DIGEST + DIGEST + NEW_INPUTS,
    # the output: whether it was there, where it comes, and that it is there
    "cas_complete_step_and_record_output": RUN_EXISTS
    + DIGEST
    + NEW_INPUTS
    + Counter(hmget=1, hlen=1, hset=1)
    + COUNTED,
    "cas_start_loop": DIGEST + DIGEST + DIGEST + ABSENT + COUNTED + NEW_INPUTS,
    "cas_loop_request_body_frame": DIGEST + DIGEST + NEW_INPUTS,
    # the row of the ledger: whether it is there, and that it is; the four keys that grow are counted together
    "cas_grant_body_frame_start": DIGEST + DIGEST + DIGEST + ABSENT + Counter(hexists=1, rpush=1, hset=1) + ABSENT
    + Counter(llen=1, rpush=1) + COUNTED_TOGETHER,
    "cas_complete_body_frame": DIGEST + DIGEST + DIGEST + NEW_INPUTS,
    "cas_complete_loop": DIGEST + DIGEST + DIGEST + NEW_INPUTS,
}  # fmt: skip

EVENTS = Counter(hget=1, hset=1, zcard=1, time=1, zadd=1, hincrby=2, spublish=1)
"""However many events are appended: the cursor, their order by time, both counts, and the message to subscribers."""


class Quiet:
    """A storage on a server on which nothing else happens."""

    def __init__(self, storage: MobStorage, client: Client) -> None:
        self.storage = storage
        self._client = client

    async def commands_of(self, call: Callable[[], Awaitable[object]]) -> Counter[str]:
        """What the script of a call does; one that the server does not know yet is loaded before."""
        await self._client.router.request("CONFIG", "RESETSTAT")
        await call()
        info: bytes = await self._client.router.request("INFO", "commandstats")
        lines = [line.removeprefix("cmdstat_") for line in info.decode().splitlines() if line.startswith("cmdstat_")]
        found = Counter({line.partition(":")[0]: int(line.split("calls=")[1].split(",")[0]) for line in lines})
        return Counter({name: found[name] for name in found if name not in ("info", "config|resetstat", *_SENT)})


_SENT = ("evalsha", "script|load")


@pytest.fixture
async def quiet() -> AsyncIterator[Quiet]:
    async with MobStorage.open("embedded:") as storage:
        client = await connect(storage.url)
        yield Quiet(storage, client)
        await client.aclose()


def test_all_operations_are_here() -> None:
    assert OPERATIONS_COST.keys() == OPERATIONS.keys()


@pytest.mark.parametrize("name", OPERATIONS)
async def test_an_operation_that_wins_makes_as_few_commands_as_it_can(quiet: Quiet, name: str) -> None:
    runs = quiet.storage.runs
    run = await created(runs)
    found = await quiet.commands_of(lambda: OPERATIONS[name].call(runs, run.run_id, authority_inputs=INPUTS))
    assert found == SESSION + OPERATIONS_COST[name]


async def test_one_that_loses_looks_at_what_it_has_lost_to_and_whether_there_is_a_run(quiet: Quiet) -> None:
    runs, operation = quiet.storage.runs, OPERATIONS["cas_grant_node_slot"]
    run = await created(runs)
    assert await operation.call(runs, run.run_id)
    assert await quiet.commands_of(lambda: operation.call(runs, run.run_id)) == SESSION + Counter(hget=1, hlen=1)


@pytest.mark.parametrize("number", [1, 100])
async def test_events_that_are_appended_together_cost_one_command_each_and_some_for_all(
    quiet: Quiet, number: int
) -> None:
    events = [numbered(1)] * number
    found = await quiet.commands_of(lambda: quiet.storage.events.append_batch(events))
    assert found == SESSION + EVENTS + Counter(xadd=number)


async def test_a_transition_looks_only_at_keys_that_it_writes(quiet: Quiet) -> None:
    executions = quiet.storage.executions
    run = await waiting(executions, STEPS_AND_LOOP)
    [one, other] = keys_of(await run.view())
    await run.claim(one, other)
    view = await run.view()
    reported = await quiet.commands_of(lambda: executions.commit(run.reported(view, one)))
    settled = await quiet.commands_of(lambda: executions.commit(run.settled(view, other)))
    parts = [
        Counter(hmget=1),  # what it depends on, of the run
        Counter(time=1, hmget=1),  # the clock, and whether a mob or flow is paused
        Counter(hmget=1, hset=1),  # the execution
        Counter(hlen=1, zcard=2, zrem=2),  # out of `ready` and `queued`; nothing is in `lost`
        Counter(zcard=1, zscore=1, zadd=1),  # in `due`
        Counter(hset=1),  # how many reports there are
        COUNTED_TOGETHER + COUNTED,  # in the hash of the namespace, and in that of the run
        Counter(spublish=2),
    ]
    assert reported == sum(parts, SESSION)
    # with the run, its frame, a row of each ledger that grows, and an event, of which the run is told
    assert settled.total() == 37
