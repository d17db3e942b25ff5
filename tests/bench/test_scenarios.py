"""Every scenario and baseline that `redis-mob bench` has does what it says, in the smallest size."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import pytest

from redis_mob import ValidationError
from redis_mob.bench import Sizes, chosen, measure, suite
from redis_mob.bench.baselines.blobs import changed, document_of
from redis_mob.bench.baselines.postgres_server import programs
from redis_mob.bench.scenarios.fleet import ideal_seconds
from redis_mob.bench.suite import LARGE

SMALL = Sizes(
    steps=(3,),
    blob_steps=(3,),
    usual_steps=3,
    filled=(7,),
    runs=(12,),
    forms=("2x2", "1x3", "chain:1x2", "loop:1x2"),
    processes=2,
    members=4,
    slots=3,
    workers=2,
    executions=3,
    settle=0.0,
)
GROUPS = [group.name for group in suite(SMALL)]

ON_A_SERVER = {
    *("evalsha-redis-py", "evalsha-redis-py-64", "evalsha-own-wire", "lua-2-hget-2-hset", "xadd-redis-py"),
    *("set-redis-py", "publish-redis-py", "delivery", "stream-to-watch", "idle-2-workers", "grant-without-session[3]"),
    *(f"{before}{kind}-run[3]" for before in ("", "json-of-") for kind in ("new", "finished", "texts")),
    *(f"{kind}-json[3]" for kind in ("watch", "lock")),
    *(f"{kind}-json-own-64[3]" for kind in ("watch", "lock")),
    *(f"{kind}-json-one-8[3]" for kind in ("watch", "lock")),
}
"""What is left out in memory."""


def without_postgres(left_out: dict[str, str]) -> set[str]:
    """What was left out, but for PostgreSQL, which may or may not be here."""
    return {name for name in left_out if not name.startswith("postgresql")}


@pytest.mark.parametrize("name", GROUPS)
async def test_a_group_is_measured_on_a_server(server_url: str, name: str) -> None:
    [group] = chosen(suite(SMALL), [name])
    report = await measure(server_url, [group], seconds=0.001, rounds=1, awake=False)
    assert without_postgres(report.left_out) == set()
    results = report.groups[0].results
    assert {result.key for result in results} >= {scenario.key for scenario in group.scenarios}
    assert all(result.operations > 0 and result.operation for result in results)
    assert all(result.of("p50") > 0 and result.of("mean") > 0 for result in results)


@pytest.mark.parametrize("name", GROUPS)
async def test_a_group_is_measured_in_memory_as_far_as_there_is_no_server_in_it(name: str) -> None:
    [group] = chosen(suite(SMALL), [name])
    report = await measure("memory:", [group], seconds=0.001, rounds=1, awake=False)
    assert without_postgres(report.left_out) <= ON_A_SERVER
    measured = {result.key for result in report.groups[0].results}
    assert measured >= {scenario.key for scenario in group.scenarios} - ON_A_SERVER


async def test_postgresql_is_left_out_for_a_reason_or_measured(server_url: str) -> None:
    [group] = chosen(suite(SMALL), ["agents"])
    baselines = [baseline for baseline in group.baselines if baseline.name.startswith("postgresql")]
    report = await measure(server_url, [type(group)("one", "", baselines)], seconds=0.001, rounds=1, awake=False)
    names = {result.name for result in report.groups[0].results}
    if names:
        assert programs() is not None
    else:
        [why] = report.left_out.values()
        assert any(word in why for word in ("asyncpg", "initdb", "PostgreSQL"))


def test_without_initdb_there_are_no_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*_args: object) -> None: ...

    def nothing(*_args: object) -> Iterator[Path]:
        return iter(())

    monkeypatch.setattr(shutil, "which", nowhere)
    monkeypatch.setattr(Path, "glob", nothing)
    assert programs() is None


def test_names_choose_groups_scenarios_and_sizes() -> None:
    groups = suite(Sizes(steps=(5, 50)))
    assert [group.name for group in chosen(groups, [])] == GROUPS
    [log] = chosen(groups, ["log"])
    assert {scenario.name for scenario in log.scenarios} == {"append", "append_terminal", "poll", "prune"}
    [sized] = chosen(groups, ["cas_flow_state[5]"])
    assert [scenario.key for scenario in sized.scenarios] == ["cas_flow_state[5]"]
    assert {baseline.size for baseline in sized.baselines} == {0, 5}
    assert [group.name for group in chosen(groups, ["get_run", "delivery"])] == ["calls", "transitions", "delivery"]


def test_an_unknown_name_is_told_with_those_that_are_known() -> None:
    with pytest.raises(ValidationError, match=r"called 'nothing', 'odd'; .*agents \(own-runs, one-run\)"):
        chosen(suite(), ["odd", "delivery", "nothing"])


def test_large_logs_come_on_top() -> None:
    [log] = chosen(suite(Sizes().large()), ["prune"])
    assert [scenario.size for scenario in log.scenarios] == [*Sizes().filled, LARGE]


def test_keys_within_a_group_are_unique() -> None:
    for group in suite():
        keys = [scenario.key for scenario in (*group.scenarios, *group.baselines)]
        assert len(set(keys)) == len(keys), group.name


def test_the_ideal_time_of_handlers_on_slots() -> None:
    assert ideal_seconds([3.0, 1.0, 1.0, 2.0], 2) == 4.0


def test_the_blob_of_the_baselines_swings_between_two_states() -> None:
    first = document_of(3)
    second = changed(deepcopy(first))
    assert second != first
    assert changed(deepcopy(second)) == first
