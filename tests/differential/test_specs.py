"""Specs on a server and in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, cast

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, invariant, multiple, rule

from redis_mob.models import MobCompleted, MobDefinition, NewMobEvent
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.documents import definition
from redis_mob.testing.samples.states import NOON
from tests.differential.driver import NO_RESULT, Twins, check_twins
from tests.differential.strategies import NAMES, either

STEP = {"role": "r", "message": "m"}

UNFIT = "no UTF-8"
DEFINITIONS: Mapping[str, MobDefinition] = {
    "bare": definition(),
    "of another mob": definition("b", is_implicit=True),
    "z before a": definition(flows={"f": {"steps": {"z": STEP, "a": STEP}}}),
    "a before z": definition(flows={"f": {"steps": {"a": STEP, "z": STEP}}}),
    UNFIT: MobDefinition.model_construct(id="\ud800"),
}


class Specs(Twins):
    """Puts and deletes with revisions that are right, or were, or never will be."""

    revisions = Bundle("revisions")

    @initialize(target=revisions)
    def revisions_of_nothing(self) -> Any:
        return multiple(0, 2**70)

    @rule(
        target=revisions,
        mob_id=NAMES,
        what=either(sorted({*DEFINITIONS} - {UNFIT}), [UNFIT]),
        revision=st.none() | revisions,
    )
    def put_spec(self, mob_id: str, what: str, revision: int | None) -> Any:
        answer = self.both(lambda storage: storage.specs.put_spec(mob_id, DEFINITIONS[what], revision))
        return answer if isinstance(answer, int) else NO_RESULT

    @rule(target=revisions, mob_id=NAMES, of=NAMES, revision=st.none() | revisions)
    def put_spec_and_append_event(self, mob_id: str, of: str, revision: int | None) -> Any:
        told = NewMobEvent(mob_id=of, kind=MobCompleted(), timestamp=NOON)
        answer: Any = self.both(
            lambda storage: storage.specs.put_spec_and_append_event(mob_id, DEFINITIONS["bare"], told, revision)
        )
        return cast("tuple[int, Any]", answer)[0] if isinstance(answer, tuple) else NO_RESULT

    @rule(mob_id=NAMES, revision=st.none() | revisions)
    def delete_spec(self, mob_id: str, revision: int | None) -> None:
        self.both(lambda storage: storage.specs.delete_spec(mob_id, revision))

    @rule(mob_id=NAMES)
    def get_spec(self, mob_id: str) -> None:
        self.both(lambda storage: storage.specs.get_spec(mob_id))

    @invariant()
    def same_content(self) -> None:
        self.both(content)


async def content(storage: MobStorage) -> Any:
    mob_ids = await storage.specs.list_specs()
    return mob_ids, await storage.events.replay_all(), await asyncio.gather(*map(storage.specs.get_spec, mob_ids))


def test_specs(server_url: str) -> None:
    check_twins(Specs, server_url)
