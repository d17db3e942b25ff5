"""Specs on sqlite3. A deleted one leaves its row without a document, so that the count of revisions goes on."""

from __future__ import annotations

from datetime import UTC, datetime

from redis_mob.contracts import MobSpecStore
from redis_mob.errors import SpecRevisionConflictError, ValidationError
from redis_mob.models import MobDefinition, MobEvent, NewMobEvent
from tests.sqlite_backend import event_log
from tests.sqlite_backend.database import Database, Sql
from tests.sqlite_backend.documents import decode, encode

TABLES = (
    "CREATE TABLE IF NOT EXISTS specs (mob_id TEXT PRIMARY KEY, last_revision INTEGER NOT NULL, document BLOB) STRICT",
)


class SqliteSpecStore(MobSpecStore):
    """The contract's `MobSpecStore` on sqlite3; its docstrings say what holds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put_spec(self, mob_id: str, definition: MobDefinition, revision: int | None = None) -> int:
        document = encode(_what(mob_id), definition)

        return await self._database.write(lambda sql: _put(sql, mob_id, document, revision))

    async def put_spec_and_append_event(
        self, mob_id: str, definition: MobDefinition, event: NewMobEvent, revision: int | None = None
    ) -> tuple[int, MobEvent]:
        document = encode(_what(mob_id), definition)
        if event.mob_id != mob_id:
            raise ValidationError(f"the event is not of mob {mob_id!r}")

        def put(sql: Sql) -> tuple[int, MobEvent]:
            number = _put(sql, mob_id, document, revision)
            return number, event_log.append(sql, [event], datetime.now(UTC))[0]

        return await self._database.write(put)

    async def get_spec(self, mob_id: str) -> tuple[MobDefinition, int] | None:
        revision, document = await self._database.read(lambda sql: _find(sql, mob_id))
        return None if document is None else (decode(_what(mob_id), MobDefinition, document), revision)

    async def list_specs(self) -> list[str]:
        query = "SELECT mob_id FROM specs WHERE document IS NOT NULL ORDER BY mob_id"
        return await self._database.read(lambda sql: [mob_id for (mob_id,) in sql.execute(query)])

    async def delete_spec(self, mob_id: str, revision: int | None = None) -> bool:
        def delete(sql: Sql) -> bool:
            current, document = _find(sql, mob_id)
            if document is None or revision not in (None, current):
                return False
            sql.execute("UPDATE specs SET document = NULL WHERE mob_id = ?", (mob_id,))
            return True

        return await self._database.write(delete)


def _put(sql: Sql, mob_id: str, document: bytes, revision: int | None) -> int:
    last, present = _find(sql, mob_id)
    current = last if present else 0
    if revision not in (None, current):
        raise SpecRevisionConflictError(mob_id, revision, current)
    sql.execute("INSERT OR REPLACE INTO specs VALUES (?, ?, ?)", (mob_id, last + 1, document))
    return last + 1


def _what(mob_id: str) -> str:
    return f"spec of mob {mob_id!r}"


def _find(sql: Sql, mob_id: str) -> tuple[int, bytes | None]:
    """The last revision of a spec, and its document if it is still there."""
    row = sql.execute("SELECT last_revision, document FROM specs WHERE mob_id = ?", (mob_id,)).fetchone()
    return row or (0, None)
