"""Specs: the definitions of mobs, their revisions, conditional writes, deletion (contract: specs-2)."""

from __future__ import annotations

import asyncio

import pytest

from redis_mob.contracts import MobEventStore, MobSpecStore
from redis_mob.errors import InternalError, SerializationError, SpecRevisionConflictError, ValidationError
from redis_mob.models import MobCreated, MobDefinition, NewMobEvent
from redis_mob.models.flow_spec import RepeatUntilSpec
from redis_mob.testing.backend import Backend, StoredSpec
from redis_mob.testing.comparing import exact
from redis_mob.testing.conformance.base import Guarantee, Opener, given
from redis_mob.testing.samples.documents import FULL_DEFINITION, definition


class TestSpecs(Guarantee):
    """The definition of each mob is kept under the mob's id, and is read as it was written."""

    async def test_the_store_has_every_method_of_the_contract(self, specs: MobSpecStore) -> None:
        assert isinstance(specs, MobSpecStore)

    async def test_a_mob_without_a_definition(self, specs: MobSpecStore) -> None:
        assert await specs.list_specs() == []
        await specs.put_spec("m", definition())
        assert await specs.get_spec("other") is None

    async def test_a_definition_is_read_as_it_was_written(self, specs: MobSpecStore) -> None:
        await specs.put_spec("m", FULL_DEFINITION)
        found = await specs.get_spec("m")
        assert found is not None
        assert exact(found[0]) == exact(FULL_DEFINITION)
        assert _orders(found[0]) == _orders(FULL_DEFINITION)

    async def test_an_output_format_that_was_not_said_stays_unsaid(self, specs: MobSpecStore) -> None:
        steps = "\n".join(
            f'[flows.f.steps.{name}]\nrole = "r"\nmessage = "m"\n{line}'
            for name, line in (("a", ""), ("b", 'output_format = "json"'), ("c", 'output_format = "text"'))
        )
        given_once = MobDefinition.from_toml(f'[mob]\nid = "m"\n{steps}')
        await specs.put_spec("m", given_once)
        found = await specs.get_spec("m")
        assert found is not None
        await specs.put_spec("m", found[0])
        again = await specs.get_spec("m")
        assert again is not None
        assert [step.output_format for step in again[0].flows["f"].steps.values()] == [None, "json", "text"]
        assert again[0] == given_once

    async def test_an_unconditional_put_overwrites(self, specs: MobSpecStore) -> None:
        assert [await specs.put_spec("m", definition(name)) for name in ("a", "b", "c")] == [1, 2, 3]
        assert await specs.get_spec("m") == (definition("c"), 3)

    async def test_a_definition_and_its_event_are_stored_together(
        self, specs: MobSpecStore, events: MobEventStore
    ) -> None:
        told = NewMobEvent(mob_id="m", kind=MobCreated(definition=definition("new")))
        revision, event = await specs.put_spec_and_append_event("m", definition("new"), told, 0)
        assert (revision, event.kind) == (1, told.kind)
        assert await events.replay_all() == [event]
        with pytest.raises(SpecRevisionConflictError):
            await specs.put_spec_and_append_event("m", definition("newer"), told, 0)
        with pytest.raises(ValidationError, match="other"):
            await specs.put_spec_and_append_event("other", definition(), told)
        assert (await events.replay_all(), await specs.list_specs()) == ([event], ["m"])
        assert await specs.get_spec("m") == (definition("new"), 1)
        revision, event = await specs.put_spec_and_append_event("m", definition("newer"), told)
        assert (revision, event.cursor, await specs.get_spec("m")) == (2, 2, (definition("newer"), 2))

    async def test_specs_are_listed_in_the_order_of_their_bytes(self, specs: MobSpecStore) -> None:
        names = ["", "B", "a", "a b", "a\0b", "aa", "é", "\uffee", "😀", "x" * 1000]
        for name in reversed(names):
            assert await specs.put_spec(name, definition(f"not {name}")) == 1
        assert await specs.list_specs() == sorted(names, key=str.encode)
        for name in names:
            assert await specs.get_spec(name) == (definition(f"not {name}"), 1)

    async def test_handles_share_the_specs(self, open_stores: Opener) -> None:
        one, two = [given("specs", (await open_stores()).specs) for _ in range(2)]
        await one.put_spec("m", definition("one"))
        assert await two.put_spec("m", definition("two"), 1) == 2
        assert await one.get_spec("m") == (definition("two"), 2)
        assert await two.delete_spec("m", 2)
        assert await one.list_specs() == []

    async def test_specs_that_are_opened_again_go_on(self, backend: Backend) -> None:
        async with backend.open() as stores:
            specs = given("specs", stores.specs)
            await specs.put_spec("kept", FULL_DEFINITION)
            await specs.put_spec("deleted", definition())
            await specs.delete_spec("deleted")
        async with backend.open() as stores:
            specs = given("specs", stores.specs)
            assert await specs.get_spec("kept") == (FULL_DEFINITION, 1)
            assert await specs.list_specs() == ["kept"]
            assert await specs.put_spec("deleted", definition(), 0) == 2

    async def test_what_cannot_be_stored_is_refused_before_any_write(self, specs: MobSpecStore) -> None:
        for call in (
            specs.put_spec("\ud800", definition()),
            specs.get_spec("\ud800"),
            specs.delete_spec("\ud800"),
            specs.put_spec("m", MobDefinition.model_construct(id="\ud800")),
        ):
            with pytest.raises(InternalError):
                await call
        assert await specs.list_specs() == []
        assert await specs.put_spec("m", definition(), 0) == 1


class TestSpecRevisions(Guarantee):
    """Each write of a definition counts its revision on, and one against another revision changes nothing."""

    async def test_case_091_spec_first_revision(self, specs: MobSpecStore) -> None:
        assert await specs.put_spec("m", definition("one"), None) == 1
        assert await specs.put_spec("m", definition("two"), 1) == 2
        assert await _conflict(specs, "m", 1) == ("m", 1, 2)
        assert await specs.get_spec("m") == (definition("two"), 2)
        assert await specs.put_spec("m", definition("three"), 2) == 3

    async def test_case_092_spec_create_only(self, specs: MobSpecStore) -> None:
        assert await _conflict(specs, "m", 1) == ("m", 1, 0)
        assert await specs.get_spec("m") is None
        assert await specs.put_spec("m", definition(), 0) == 1
        assert await _conflict(specs, "m", 0) == ("m", 0, 1)
        assert await specs.get_spec("m") == (definition(), 1)

    async def test_case_093_spec_delete_cas(self, specs: MobSpecStore) -> None:
        assert await specs.delete_spec("m") is False
        assert await specs.delete_spec("m", 0) is False
        await specs.put_spec("m", definition())
        for wrong in (0, 2, 2**63 - 1):
            assert await specs.delete_spec("m", wrong) is False
        assert await specs.get_spec("m") == (definition(), 1)
        assert await specs.delete_spec("m", 1) is True
        assert await specs.delete_spec("m", 1) is False
        assert await specs.get_spec("m") is None
        assert await specs.list_specs() == []

    async def test_case_094_spec_delete_recreate_revision(self, specs: MobSpecStore) -> None:
        """The count goes on, and absence still compares as 0 (contract: specs-3)."""
        await specs.put_spec("m", definition())
        await specs.put_spec("other", definition())
        assert await specs.delete_spec("m")
        assert await _conflict(specs, "m", 1) == ("m", 1, 0)
        assert await specs.put_spec("m", definition("again"), 0) == 2
        assert await _conflict(specs, "m", 1) == ("m", 1, 2)
        assert await specs.delete_spec("m", 1) is False
        assert await specs.get_spec("m") == (definition("again"), 2)
        assert await specs.delete_spec("m") is True
        assert await specs.put_spec("m", definition()) == 3
        assert await specs.get_spec("other") == (definition(), 1)
        assert await specs.put_spec("other", definition()) == 2

    async def test_of_many_creators_one_wins(self, open_stores: Opener) -> None:
        stores = await _several(open_stores)
        attempts = [store.put_spec("m", definition(str(number)), 0) for number in range(8) for store in stores]
        results = await asyncio.gather(*attempts, return_exceptions=True)
        [winner] = [number for number, result in enumerate(results) if result == 1]
        assert all(isinstance(result, SpecRevisionConflictError) for result in results if result != 1)
        assert await stores[0].get_spec("m") == (definition(str(winner // len(stores))), 1)

    async def test_of_many_writers_of_one_revision_one_wins(self, open_stores: Opener) -> None:
        stores = await _several(open_stores)
        await stores[0].put_spec("m", definition())
        attempts = [store.put_spec("m", definition("next"), 1) for store in stores for _ in range(8)]
        results = await asyncio.gather(*attempts, return_exceptions=True)
        assert [result for result in results if not isinstance(result, SpecRevisionConflictError)] == [2]
        assert await stores[0].get_spec("m") == (definition("next"), 2)

    async def test_of_many_who_delete_one_revision_one_wins(self, open_stores: Opener) -> None:
        stores = await _several(open_stores)
        await stores[0].put_spec("m", definition())
        deleted = await asyncio.gather(*(store.delete_spec("m", 1) for store in stores for _ in range(4)))
        assert deleted.count(True) == 1
        assert await stores[0].put_spec("m", definition(), 0) == 2

    async def test_each_put_gets_a_revision_of_its_own(self, open_stores: Opener) -> None:
        stores = await _several(open_stores)
        revisions = await asyncio.gather(*(store.put_spec("m", definition()) for _ in range(20) for store in stores))
        assert sorted(revisions) == list(range(1, 61))


class TestUnreadableSpecs(Guarantee):
    """A definition that cannot be read is named, hurts no other, and can be replaced or deleted."""

    async def test_a_damaged_spec_hurts_only_those_who_read_it(self, specs: MobSpecStore, backend: Backend) -> None:
        await specs.put_spec("broken", definition())
        await specs.put_spec("sound", definition())
        await backend.damage(StoredSpec("broken"))
        with pytest.raises(SerializationError, match="broken"):
            await specs.get_spec("broken")
        assert await specs.get_spec("sound") == (definition(), 1)
        assert await specs.list_specs() == ["broken", "sound"]

    async def test_a_damaged_spec_can_be_replaced(self, specs: MobSpecStore, backend: Backend) -> None:
        await specs.put_spec("m", definition())
        await backend.damage(StoredSpec("m"))
        revision = await specs.put_spec("m", definition("new"))
        assert await specs.get_spec("m") == (definition("new"), revision)

    async def test_a_damaged_spec_can_be_deleted(self, specs: MobSpecStore, backend: Backend) -> None:
        await specs.put_spec("m", definition())
        await backend.damage(StoredSpec("m"))
        assert await specs.delete_spec("m") is True
        assert (await specs.get_spec("m"), await specs.list_specs()) == (None, [])


async def _conflict(specs: MobSpecStore, mob_id: str, expected: int) -> tuple[str, int | None, int]:
    """What a put that must lose says of the mob, the expected and the actual revision."""
    with pytest.raises(SpecRevisionConflictError) as caught:
        await specs.put_spec(mob_id, definition("loser"), expected)
    return caught.value.mob_id, caught.value.expected, caught.value.actual


async def _several(open_stores: Opener) -> list[MobSpecStore]:
    """The store of three handles."""
    return [given("specs", (await open_stores()).specs) for _ in range(3)]


def _orders(definition: MobDefinition) -> list[list[str]]:
    """The steps, the nodes, and the nodes of the loop's body of the full definition, in their order."""
    flow = definition.flows["refine"]
    assert flow.root is not None
    loop = flow.root.nodes["again"]
    assert isinstance(loop, RepeatUntilSpec)
    return [list(flow.steps), list(flow.root.nodes), list(loop.body.nodes)]
