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
from redis_mob.bench.scenarios.runs import OPERATIONS, Swing, run_of
from redis_mob.connection.calls.client import Client

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
