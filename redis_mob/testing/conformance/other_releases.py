"""What other releases have written: unknown fields, kinds of events and envelopes (contract: json-1, json-11)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from redis_mob.contracts import MobEventStore, MobRuntimeMetadataStore, MobSpecStore, RealmProfileStore
from redis_mob.errors import InternalError
from redis_mob.models import (
    ExternalBindingOverlayRecord,
    MobDefinition,
    MobEvent,
    NewMobEvent,
    Profile,
    SupervisorAuthorityRecord,
    UnknownEvent,
)
from redis_mob.models.base import json_equal
from redis_mob.testing.comparing import exact
from redis_mob.testing.conformance.base import Guarantee
from redis_mob.testing.samples.documents import authority, overlay, rotation
from redis_mob.testing.samples.new_events import RUN, completed, new_event
from redis_mob.testing.samples.states import NOON
from redis_mob.testing.waiting import take

PENDING = authority(pending=rotation(2, "peer-a"))

_EVENTS: list[dict[str, Any]] = [
    {
        "kind": {"type": "flow_exploded", "run_id": RUN, "big": 10**30, "one": 1.0, "deep": {"a": [None, True]}},
        "envelope": {"schema_version": 9, "later": {"a": 1}},
    },
    {"kind": {"run_id": [], "flow_id": 1, "type": 'a "kind"\n'}, "later": [1, 1.0, "é"]},
    {"kind": {"type": "mob_reset", "model_dump": 1}, "envelope": {"schema_version": 8}, "later": {}, "_fields_set": 1},
    {"kind": {"type": "members_wired", "a": "x", "b": "y", "later": None}, "envelope": {"schema_version": 6}},
]
"""What only another release says of events; the last two are structural. Made here, not by meerkat."""

EVENTS = [json.dumps({"mob_id": "mob", "timestamp": "2026-03-01T12:00:00Z", **event}) for event in _EVENTS]


def _new(event: MobEvent) -> dict[str, Any]:
    """An event of the log as one to be appended."""
    return {name: value for name, value in dict(event).items() if name != "cursor"}


OF_LATER_RELEASE = {
    "id": "m",
    "profiles": {"r": {"model": "m", "durable": True, "tools": {"deny": ["x"]}}},
    "flows": {"f": {"steps": {"s": {"role": "r", "message": "go", "failure_policy": "continue", "later": 10**30}}}},
    "runtime": {"model_fallback": None},
    "models": {"m": [1, 1.0]},
}
"""A definition with what only later releases know. Made here, not by meerkat."""


class TestOtherReleases(Guarantee):
    """What another release has written comes back as it came, also what is not known here."""

    async def test_an_event_of_another_release_comes_back_as_it_came(self, events: MobEventStore) -> None:
        """Its kind, its version and all that is not known of it (contract: json-10, json-11, events-21)."""
        batch = [NewMobEvent.model_validate_json(one) for one in EVENTS]
        async with events.subscribe() as following:
            stored = [await events.append(batch[0]), *await events.append_batch(batch[1:])]
            heard = await take(following, len(batch))
        for told in (stored, heard, await events.poll(0, 10), await events.replay_all()):
            assert [exact(NewMobEvent.model_validate(_new(event))) for event in told] == list(map(exact, batch))
        assert [event.run_id for event in stored] == [RUN, None, None, None]
        assert await events.prune(NOON + timedelta(microseconds=1)) == 2
        left = await events.replay_all()
        assert [event.cursor for event in left] == [3, 4]
        assert [exact(NewMobEvent.model_validate(_new(event))) for event in left] == list(map(exact, batch[2:]))

    async def test_the_cursor_that_an_event_had_elsewhere_is_none_of_it(self, events: MobEventStore) -> None:
        event = NewMobEvent.model_validate_json('{"cursor":7,"mob_id":"m","kind":{"type":"mob_reset"},"later":1}')
        stored = await events.append(event)
        assert (stored.cursor, stored.model_extra) == (1, {"later": 1})
        assert await events.replay_all() == [stored]

    async def test_an_event_of_an_unknown_kind_ends_nothing(self, events: MobEventStore) -> None:
        unknown = UnknownEvent.model_validate({"type": "flow_paused", "run_id": RUN, "flow_id": "review"})
        await events.append(new_event(unknown))
        for _ in range(2):
            with pytest.raises(InternalError):
                await events.append_terminal_event_if_absent(new_event(unknown))
        assert await events.append_terminal_event_if_absent(completed()) is not None

    async def test_a_definition_is_read_as_it_was_written(self, specs: MobSpecStore) -> None:
        """With all that is not known of it (contract: json-1, definition-25)."""
        later = MobDefinition.model_validate(OF_LATER_RELEASE)
        await specs.put_spec("m", later)
        found = await specs.get_spec("m")
        assert found is not None
        assert exact(found[0]) == exact(later)
        assert json_equal(found[0].model_extra, {"runtime": {"model_fallback": None}, "models": {"m": [1, 1.0]}})

    async def test_what_is_not_known_of_a_profile_is_kept(self, profiles: RealmProfileStore) -> None:
        later = Profile.model_validate({"model": "m", "durable": True, "tools": {"deny": [1, 1.0]}})
        await profiles.create("p", later)
        found = await profiles.get("p")
        assert found is not None
        assert exact(found.profile) == exact(later)

    async def test_unknown_fields_are_kept_and_compared(self, metadata: MobRuntimeMetadataStore) -> None:
        def later(value: Any) -> SupervisorAuthorityRecord:
            stored = json.loads(PENDING.model_dump_json())
            stored["pending_rotation"] |= {"member_targets": {}, "later": value, "protocol_version": 7}
            return SupervisorAuthorityRecord.model_validate_json(json.dumps({**stored, "later": [value]}))

        put = metadata.compare_and_put_supervisor_authority
        await metadata.put_supervisor_authority("m", later(1))
        found = await metadata.load_supervisor_authority("m")
        assert found is not None
        assert exact(found) == exact(later(1))
        for differs in (PENDING, later(2), later(1.0), later(True)):
            assert await put("m", differs, authority(3)) is False
        assert await put("m", later(1), later(2)) is True
        found = await metadata.load_supervisor_authority("m")
        assert found is not None
        assert exact(found) == exact(later(2))
        delete = metadata.compare_and_delete_supervisor_authority
        for differs in (PENDING, later(1), later(2.0)):
            assert await delete("m", differs) is False
        assert await delete("m", later(2)) is True

    async def test_unknown_fields_of_overlays_are_compared(self, metadata: MobRuntimeMetadataStore) -> None:
        def later(value: Any) -> ExternalBindingOverlayRecord:
            stored = json.loads(overlay().model_dump_json())
            return ExternalBindingOverlayRecord.model_validate_json(json.dumps({**stored, "later": value}))

        put = metadata.compare_and_put_external_binding_overlay
        await metadata.upsert_external_binding_overlay("m", later(1))
        for differs in (overlay(), later(2), later(1.0), later(True)):
            assert await put("m", differs, later(3)) is False
        assert await put("m", later(1), later(True)) is True
        [found] = await metadata.list_external_binding_overlays("m")
        assert exact(found) == exact(later(True))

    async def test_an_overlay_of_a_later_release_is_kept(self, metadata: MobRuntimeMetadataStore) -> None:
        stored = json.loads(overlay().model_dump_json())
        more = {
            "status": "DirectBindBound",
            "fence_token": 3,
            "direct_member_fence": {"runtime": 1.0},
            "later": [1, None],
        }
        record = ExternalBindingOverlayRecord.model_validate_json(json.dumps({**stored, **more}))
        await metadata.upsert_external_binding_overlay("m", record)
        [found] = await metadata.list_external_binding_overlays("m")
        assert exact(found) == exact(record)
