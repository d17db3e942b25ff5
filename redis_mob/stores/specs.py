"""Specs on Redis: each method encodes, calls one script, and reads its reply."""

from __future__ import annotations

from redis_mob.codec.definitions import decode_spec, spec_of
from redis_mob.codec.documents import decode_name, decode_revision, encode_document, encode_name, encode_revision
from redis_mob.codec.events import check_of_mob
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.replies import Reply
from redis_mob.contracts import MobSpecStore
from redis_mob.errors import SpecRevisionConflictError
from redis_mob.models import MobDefinition, MobEvent, NewMobEvent
from redis_mob.stores.event_arguments import event_arguments, log_keys, stored_event
from redis_mob.stores.readable import readable

_MOB = "mob id"


@readable
class RedisSpecStore(MobSpecStore):
    """The contract's `MobSpecStore` on Redis; its docstrings say what holds."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def put_spec(self, mob_id: str, definition: MobDefinition, revision: int | None = None) -> int:
        name, expected = encode_name(_MOB, mob_id), encode_revision("revision", revision)
        document = encode_document(spec_of(mob_id), "definition", definition, MobDefinition)
        reply, current = await self._client.call(
            "specs/put_spec",
            [self._keys.meta, self._keys.specs, self._keys.spec_revisions],
            [name, document, expected],
        )
        number = decode_revision(spec_of(mob_id), current)
        if reply == Reply.LOST:
            raise SpecRevisionConflictError(mob_id, revision, number)
        return number

    async def put_spec_and_append_event(
        self, mob_id: str, definition: MobDefinition, event: NewMobEvent, revision: int | None = None
    ) -> tuple[int, MobEvent]:
        name, expected = encode_name(_MOB, mob_id), encode_revision("revision", revision)
        document = encode_document(spec_of(mob_id), "definition", definition, MobDefinition)
        encoded = event_arguments(event)
        check_of_mob(mob_id, event)
        meta, *log = log_keys(self._keys)
        won, current, *stored = await self._client.call(
            "specs/put_spec_and_append_event",
            [meta, self._keys.specs, self._keys.spec_revisions, *log],
            {"mob": name, "definition": document, "expected": expected, "event": encoded},
        )
        number = decode_revision(spec_of(mob_id), current)
        if won == Reply.LOST:
            raise SpecRevisionConflictError(mob_id, revision, number)
        return number, stored_event(event, stored)

    async def get_spec(self, mob_id: str) -> tuple[MobDefinition, int] | None:
        stored = await self._client.read(
            "specs/get_spec", [self._keys.meta, self._keys.specs], [encode_name(_MOB, mob_id)]
        )
        return None if stored is None else decode_spec(mob_id, stored)

    async def list_specs(self) -> list[str]:
        fields = await self._client.read("specs/list_specs", [self._keys.meta, self._keys.specs], [])
        return [decode_name(_MOB, field) for field in sorted(fields)]

    async def delete_spec(self, mob_id: str, revision: int | None = None) -> bool:
        reply = await self._client.call(
            "specs/delete_spec",
            [self._keys.meta, self._keys.specs, self._keys.spec_revisions],
            [encode_name(_MOB, mob_id), encode_revision("revision", revision)],
        )
        return reply == Reply.WON
