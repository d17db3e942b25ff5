"""Recorded histories have a serial order, one in which a result was changed has none, and Porcupine says the same."""

from __future__ import annotations

import asyncio
import os
from argparse import Namespace
from pathlib import Path
from random import Random

import pytest

from redis_mob.testing.history import History
from redis_mob.testing.history_files import Operation, write_history
from redis_mob.testing.serial_models import MODELS
from tests.robustness import histories, porcupine
from tests.robustness.seeds import new_seed
from tests.testing.test_history_files import serial

OPERATIONS = 600


@pytest.fixture(scope="module")
def go_checker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if porcupine.go_program() is None and not os.environ.get("REDIS_MOB_NO_SKIPS"):
        pytest.skip("there is no Go to build Porcupine with")
    return porcupine.build(tmp_path_factory.mktemp("porcupine"))


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


@pytest.mark.parametrize("name", sorted(MODELS))
async def test_porcupine_has_the_same_models(name: str, go_checker: Path, tmp_path: Path) -> None:
    honest, file = serial(name), tmp_path / "history.jsonl"
    write_history(file, honest)
    assert porcupine.verdict(go_checker, file).word == "ok"
    for left_out in range(len(honest.calls)):
        history = History[Operation](honest.calls[:left_out] + honest.calls[left_out + 1 :])
        write_history(file, history)
        agreed = "ok" if await histories.refusal(history) is None else "violation"
        assert porcupine.verdict(go_checker, file).word == agreed


async def test_porcupine_judges_a_recorded_history_as_we_do(server_url: str, go_checker: Path, tmp_path: Path) -> None:
    seed, file = new_seed(), tmp_path / "history.jsonl"
    history = await histories.record(server_url, seed=seed, operations=OPERATIONS, clients=8)
    write_history(file, history)
    assert porcupine.verdict(go_checker, file).word == "ok"
    for number in range(3):
        changed = histories.sabotaged(history, Random(seed + number))
        write_history(file, changed)
        assert await histories.refusal(changed) is not None
        assert porcupine.verdict(go_checker, file).word == "violation"
