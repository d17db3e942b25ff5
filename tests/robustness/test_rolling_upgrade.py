"""A fleet goes from one release to the other under load, and what is not as it must be is found."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from random import Random

import pytest

from redis_mob import Fleet, MobStorage
from tests.robustness import rolling_upgrade
from tests.robustness.releases import previous_revision
from tests.robustness.rolling_upgrade import MOB, Round, Told, judge
from tests.robustness.seeds import new_seed


@pytest.mark.slow
async def test_a_fleet_goes_to_this_release_and_back_under_load() -> None:
    if previous_revision() is None:
        pytest.skip("the history of this clone lacks the release before")
    report = await rolling_upgrade.run(seed=new_seed(), rounds=1, workers=1, clients=1)
    assert report.broken == []
    assert report.figures["errors at callers"] == 0
    assert report.figures["runs of callers"] >= 4
    assert report.figures["increments"]


@pytest.fixture
async def played(server_url: str) -> Round:
    """A round in which nothing happened."""
    played = Round(server_url, Random(1), 0, 0)
    async with MobStorage.open(server_url, namespace=played.namespace) as storage:
        await Fleet(storage, MOB).schedule("tick", "tick", {}, every=timedelta(seconds=1), paused=True)
    return played


async def test_a_round_in_which_nothing_happened_is_in_order(server_url: str, played: Round) -> None:
    assert (await judge(server_url, played))[1] == []


def tell_error(told: Told) -> None:
    told.take("client", {"error": "WriteFailedError: x"})


def tell_run(told: Told) -> None:
    told.take("client", {"run": "r", "number": "1"})


def tell_count(told: Told) -> None:
    told.take("client", {"counted": 1})


def tell_effects(told: Told) -> None:
    told.take("worker", {"effect": "k"})
    told.take("worker", {"effect": "k"})


def tell_less_of_the_log(told: Told) -> None:
    told.take("client", {"last": 5})
    told.take("client", {"followed": 3})


@pytest.mark.parametrize(
    ("tell", "found"),
    [
        (tell_error, "client: WriteFailedError"),
        (tell_run, "runs that callers know are lost"),
        (tell_count, "the counter is at 0, and 1 increments won"),
        (tell_effects, "executions were called again, and no worker was killed"),
        (tell_less_of_the_log, "a subscriber saw the log up to 3 of 5"),
    ],
)
async def test_the_judge_finds(server_url: str, played: Round, tell: Callable[[Told], None], found: str) -> None:
    tell(played.told)
    [broken] = (await judge(server_url, played))[1]
    assert found in broken


async def test_the_judge_finds_runs_that_no_caller_started_and_that_are_not_over(
    server_url: str, played: Round
) -> None:
    async with MobStorage.open(server_url, namespace=played.namespace) as storage:
        run_id = await Fleet(storage, MOB).start("work", {"number": "9"})
    broken = (await judge(server_url, played))[1]
    assert [f"run {run_id} of work is pending" in text for text in broken].count(True) == 1
    assert any("no caller knows: {'9': 1}" in text for text in broken)
