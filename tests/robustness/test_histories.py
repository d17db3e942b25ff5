"""Recorded histories have a serial order, and those in which one result was changed have none."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from dataclasses import replace
from typing import Any

import pytest

from redis_mob.testing.history import History, RecordedCall
from redis_mob.testing.history_files import Operation
from tests.robustness import histories
from tests.robustness.seeds import new_seed

OPERATIONS = 600


async def test_what_clients_see_through_a_bad_network_has_a_serial_order() -> None:
    options = Namespace(
        seed=new_seed(),
        histories=1,
        operations=OPERATIONS,
        clients=8,
        one_in=20,
        server="valkey",
        porcupine=False,
        keep=None,
    )
    report = await histories.main(options)
    assert report.broken == []
    assert report.figures["calls"] >= OPERATIONS


async def test_what_disturbs_the_server_goes_on_until_the_clients_are_done(server_url: str) -> None:
    done = asyncio.Event()

    async def disturb() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            done.set()

    history = await histories.record(server_url, seed=new_seed(), operations=40, clients=2, during=disturb)
    assert done.is_set()
    assert {recorded.client for recorded in history.calls} == {"0.0", "1.0", "last"}
    assert await histories.refusal(history) is None

    async def fail() -> None:
        raise ConnectionError("the disturbance failed")

    with pytest.raises(ConnectionError, match="the disturbance failed"):
        await histories.record(server_url, seed=new_seed(), operations=10_000, clients=2, during=fail)


async def test_an_append_of_unknown_outcome_is_what_the_log_says_of_it() -> None:
    def append(*numbers: int, ended: int | None = None, result: Any = None) -> RecordedCall[Operation]:
        return RecordedCall("a", Operation("log", "k", "append", numbers), 1, ended, result)

    known, elsewhere = (
        append(1, ended=2, result=(1,)),
        replace(append(9), call=Operation("log", "other", "append", (9,))),
    )
    calls = [known, append(2, 3), append(4), append(5, 6), elsewhere]
    entries = [(1, 1), (2, 2), (3, 3), (4, 5)]
    found = list(histories.settled(calls, ("log", "k"), entries, 7))
    assert found == [
        known,
        append(2, 3, ended=7, result=(2, 3)),
        append(5, 6, ended=7, result=(4, 0)),  # a half of it: no serial order has that
        elsewhere,
    ]
    assert await histories.refusal(History(found)) is not None
