"""Specs in memory."""

from __future__ import annotations

from redis_mob.codec.arguments import optional_integer
from redis_mob.codec.definitions import spec_of
from redis_mob.codec.documents import encode_document, encode_name
from redis_mob.codec.events import check_of_mob, encode_new_event
from redis_mob.contracts import MobSpecStore
from redis_mob.errors import SpecRevisionConflictError
from redis_mob.memory.namespace import Access
from redis_mob.models import MobDefinition, MobEvent, NewMobEvent

_MOB = "mob id"


class MemorySpecStore(MobSpecStore):
    """The contract's `MobSpecStore` in memory; its docstrings say what holds."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def put_spec(self, mob_id: str, definition: MobDefinition, revision: int | None = None) -> int:
        name = encode_name(_MOB, mob_id)
        document = encode_document(spec_of(mob_id), "definition", definition, MobDefinition)
        revision = optional_integer("revision", revision)
        specs = self._access.content.specs
        if revision not in (None, specs.revision(name)):
            raise SpecRevisionConflictError(mob_id, revision, specs.revision(name))
        return specs.put(name, document)

    async def put_spec_and_append_event(
        self, mob_id: str, definition: MobDefinition, event: NewMobEvent, revision: int | None = None
    ) -> tuple[int, MobEvent]:
        encode_name(_MOB, mob_id)
        encode_document(spec_of(mob_id), "definition", definition, MobDefinition)
        encoded = encode_new_event(event)
        check_of_mob(mob_id, event)
        number = await self.put_spec(mob_id, definition, revision)
        content = self._access.content
        [stored] = content.log.append([encoded], content.clock.now())
        return number, stored

    async def get_spec(self, mob_id: str) -> tuple[MobDefinition, int] | None:
        name, specs = encode_name(_MOB, mob_id), self._access.content.specs
        document = specs.documents.get(name)
        return None if document is None else (MobDefinition.model_validate_json(document), specs.revision(name))

    async def list_specs(self) -> list[str]:
        return [name.decode() for name in sorted(self._access.content.specs.documents)]

    async def delete_spec(self, mob_id: str, revision: int | None = None) -> bool:
        name, revision = encode_name(_MOB, mob_id), optional_integer("revision", revision)
        specs = self._access.content.specs
        if name not in specs.documents or revision not in (None, specs.revision(name)):
            return False
        del specs.documents[name]
        return True
