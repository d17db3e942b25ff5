"""A definition keeps what no model knows of it, wherever it goes (contract: json-1, definition-25)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from redis_mob.codec.definitions import digests_of
from redis_mob.fleet.fleet import Fleet
from redis_mob.flows import Mob
from redis_mob.models.definition import MobDefinition
from redis_mob.models.events import MobCreated, NewMobEvent
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.comparing import exact
from tests.fleet.flows import FLOW
from tests.fleet.working import at_work, loaded, run_flow
from tests.operations.scenes import CHAIN

LATER = {"later": {"a": [1, 1.0, 10**30, True, "é"]}}
"""What only a later release says of something. Made here, not by meerkat."""

DOCUMENT: dict[str, Any] = {
    "id": "mob",
    "profiles": {"worker": {"model": "none", "tools": {"builtins": True, **LATER}, **LATER}},
    "skills": {"plan": {"source": "inline", "content": "first think", **LATER}},
    "wiring": {"auto_wire_orchestrator": False, "role_wiring": [{"a": "worker", "b": "worker", **LATER}], **LATER},
    "limits": {"max_step_retries": 0, **LATER},
    "supervisor": {"role": "worker", "escalation_threshold": 0, **LATER},
    "flows": {
        FLOW: {
            "steps": {
                "a": {
                    "role": "worker",
                    "message": [{"type": "text", "text": "go", **LATER}],
                    "collection_policy": {"type": "all", **LATER},
                    "condition": {"op": "not", "expr": {"op": "eq", "path": "params.x", "value": 1, **LATER}, **LATER},
                    **LATER,
                }
            },
            "root": {
                "nodes": {
                    "a": {"kind": "step", "step_id": "a", "depends_on": [], "depends_on_mode": "all", **LATER},
                },
                **LATER,
            },
            **LATER,
        }
    },
    **LATER,
}
DEFINITION = MobDefinition.model_validate(DOCUMENT)


@pytest.fixture
async def target(url: str, namespace: str) -> AsyncIterator[MobStorage]:
    """Another namespace on the same server."""
    async with MobStorage.open(url, namespace=f"{namespace}-target") as opened:
        yield opened


async def of_run(storage: MobStorage, run_id: str) -> MobDefinition:
    return await storage.executions.get_definition((await loaded(storage, run_id)).launch.definition)


async def test_it_is_the_same_after_a_run_a_fork_and_an_import(storage: MobStorage, target: MobStorage) -> None:
    run = await run_flow(storage, DEFINITION, lambda _: "done")
    assert run.status == "completed"
    assert exact(await of_run(storage, run.run_id)) == exact(DEFINITION)

    admin = FleetAdmin(storage)
    async with at_work(storage, {"*": lambda _: "done"}):
        fleet = Fleet(storage, await of_run(storage, run.run_id), {"*": lambda _: "done"})
        again, fork = await fleet.start(FLOW), await admin.fork(run.run_id, "a")
        for started in (again, fork):
            assert (await fleet.wait(started)).status == "completed"
            assert exact(await of_run(storage, started)) == exact(DEFINITION)
    assert {one.digest for one in await admin.definitions()} == set(digests_of(DEFINITION))

    lines = [line async for line in admin.export([run.run_id, fork])]
    assert [one.is_stored async for one in FleetAdmin(target).import_runs(lines)] == [True, True]
    for moved in (run.run_id, fork):
        assert exact(await of_run(target, moved)) == exact(DEFINITION)
    assert [line async for line in FleetAdmin(target).export([run.run_id, fork])] == lines


async def test_it_is_the_same_as_a_spec_and_in_an_event(storage: MobStorage) -> None:
    await storage.specs.put_spec("mob", DEFINITION)
    found = await storage.specs.get_spec("mob")
    assert found is not None
    assert exact(found[0]) == exact(DEFINITION)
    assert await storage.specs.put_spec("mob", found[0], found[1]) == found[1] + 1
    await storage.events.append(NewMobEvent(mob_id="mob", kind=MobCreated(definition=found[0])))
    [event] = await storage.events.replay_all()
    assert isinstance(event.kind, MobCreated)
    assert exact(event.kind.definition) == exact(DEFINITION)


def test_it_is_the_same_as_a_mob_of_functions_and_as_a_file() -> None:
    assert not DEFINITION.has_budgets  # which is kept beside the fields from here on, and is none
    mob = Mob.from_definition(DEFINITION)
    assert exact(mob.definition()) == exact(DEFINITION)
    assert exact(MobDefinition.from_toml(mob.to_toml(), strict=False, tell=lambda _: None)) == exact(DEFINITION)


def test_what_only_a_later_release_says_counts_for_the_digest_and_nothing_else_does() -> None:
    """Digests of definitions without it are those that earlier releases of ours have stored."""
    assert digests_of(CHAIN) == ("d55c9562d8df97b1b0221f8d2e1ac338", "ca635688f512084bd4ab9233969952ef")
    assert digests_of(MobDefinition.model_validate({**DOCUMENT, "later": 1})) != digests_of(DEFINITION)
