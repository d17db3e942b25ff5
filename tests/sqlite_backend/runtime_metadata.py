"""Runtime metadata on sqlite3, in clear: this backend has no seal key."""

from __future__ import annotations

from redis_mob.contracts import MobRuntimeMetadataStore
from redis_mob.errors import InternalError, ValidationError
from redis_mob.models import ExternalBindingOverlayRecord, SupervisorAuthorityRecord
from redis_mob.models.base import same_model
from redis_mob.security.identity import check_peer_ids
from tests.sqlite_backend.database import Database, Sql
from tests.sqlite_backend.documents import decode, encode

TABLES = (
    "CREATE TABLE IF NOT EXISTS supervisors (mob_id TEXT PRIMARY KEY, document BLOB NOT NULL) STRICT",
    """
    CREATE TABLE IF NOT EXISTS overlays (
        mob_id TEXT, agent_identity TEXT, generation BLOB, document BLOB NOT NULL,
        PRIMARY KEY (mob_id, agent_identity, generation)
    ) STRICT
    """,
)


class SqliteRuntimeMetadataStore(MobRuntimeMetadataStore):
    """The contract's `MobRuntimeMetadataStore` on sqlite3; its docstrings say what holds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load_supervisor_authority(self, mob_id: str) -> SupervisorAuthorityRecord | None:
        return await self._database.read(lambda sql: _find(sql, mob_id))

    async def put_supervisor_authority(self, mob_id: str, record: SupervisorAuthorityRecord) -> None:
        row = _supervisor_row(mob_id, record)
        await self._database.write(lambda sql: sql.execute("INSERT OR REPLACE INTO supervisors VALUES (?, ?)", row))

    async def put_supervisor_authority_if_absent(self, mob_id: str, record: SupervisorAuthorityRecord) -> bool:
        row = _supervisor_row(mob_id, record)
        query = "INSERT OR IGNORE INTO supervisors VALUES (?, ?)"
        return await self._database.write(lambda sql: sql.execute(query, row).rowcount == 1)

    async def compare_and_put_supervisor_authority(
        self, mob_id: str, expected: SupervisorAuthorityRecord, record: SupervisorAuthorityRecord
    ) -> bool:
        row = _supervisor_row(mob_id, record)

        def compare_and_put(sql: Sql) -> bool:
            stored = _find(sql, mob_id)
            if not same_model(stored, expected):
                return False
            sql.execute("INSERT OR REPLACE INTO supervisors VALUES (?, ?)", row)
            return True

        return await self._database.write(compare_and_put)

    async def compare_and_delete_supervisor_authority(self, mob_id: str, expected: SupervisorAuthorityRecord) -> bool:
        def compare_and_delete(sql: Sql) -> bool:
            if not same_model(_find(sql, mob_id), expected):
                return False
            sql.execute("DELETE FROM supervisors WHERE mob_id = ?", (mob_id,))
            return True

        return await self._database.write(compare_and_delete)

    async def delete_supervisor_authority(self, mob_id: str) -> None:
        query = "DELETE FROM supervisors WHERE mob_id = ?"
        await self._database.write(lambda sql: sql.execute(query, (mob_id,)))

    async def list_external_binding_overlays(self, mob_id: str) -> list[ExternalBindingOverlayRecord]:
        query = """
            SELECT agent_identity, generation, document FROM overlays WHERE mob_id = ?
            ORDER BY agent_identity, generation
        """
        rows = await self._database.read(lambda sql: sql.execute(query, (mob_id,)).fetchall())
        return [
            decode(_what(mob_id, identity, int.from_bytes(generation)), ExternalBindingOverlayRecord, document)
            for identity, generation, document in rows
        ]

    async def put_external_binding_overlay_if_absent(self, mob_id: str, record: ExternalBindingOverlayRecord) -> bool:
        row = _overlay_row(mob_id, record)
        query = "INSERT OR IGNORE INTO overlays VALUES (?, ?, ?, ?)"
        return await self._database.write(lambda sql: sql.execute(query, row).rowcount == 1)

    async def upsert_external_binding_overlay(self, mob_id: str, record: ExternalBindingOverlayRecord) -> None:
        row = _overlay_row(mob_id, record)
        query = "INSERT OR REPLACE INTO overlays VALUES (?, ?, ?, ?)"
        await self._database.write(lambda sql: sql.execute(query, row))

    async def compare_and_put_external_binding_overlay(
        self, mob_id: str, expected: ExternalBindingOverlayRecord, record: ExternalBindingOverlayRecord
    ) -> bool:
        if (expected.agent_identity, expected.generation) != (record.agent_identity, record.generation):
            raise ValidationError("the two overlays are not of one agent and generation")
        row = _overlay_row(mob_id, record)
        what = _what(mob_id, record.agent_identity, record.generation)
        wanted, new = (decode(what, ExternalBindingOverlayRecord, encode(what, one)) for one in (expected, record))

        def compare_and_put(sql: Sql) -> bool:
            query = "SELECT document FROM overlays WHERE mob_id = ? AND agent_identity = ? AND generation = ?"
            stored = sql.execute(query, row[:3]).fetchone()
            found = stored and decode(what, ExternalBindingOverlayRecord, stored[0])
            if same_model(found, wanted):
                sql.execute("INSERT OR REPLACE INTO overlays VALUES (?, ?, ?, ?)", row)
                return True
            return same_model(found, new)

        return await self._database.write(compare_and_put)

    async def delete_external_binding_overlay(self, mob_id: str, agent_identity: str, generation: int) -> None:
        key = (mob_id, agent_identity, sorting_bytes(generation))
        query = "DELETE FROM overlays WHERE mob_id = ? AND agent_identity = ? AND generation = ?"
        await self._database.write(lambda sql: sql.execute(query, key))

    async def delete_external_binding_overlays(self, mob_id: str) -> None:
        query = "DELETE FROM overlays WHERE mob_id = ?"
        await self._database.write(lambda sql: sql.execute(query, (mob_id,)))

    async def reseal_all(self, *, adopt_unsealed: bool = False) -> int:
        return 0


def _find(sql: Sql, mob_id: str) -> SupervisorAuthorityRecord | None:
    row = sql.execute("SELECT document FROM supervisors WHERE mob_id = ?", (mob_id,)).fetchone()
    return None if row is None else decode(f"supervisor authority of mob {mob_id!r}", SupervisorAuthorityRecord, row[0])


def _supervisor_row(mob_id: str, record: SupervisorAuthorityRecord) -> tuple[str, bytes]:
    check_peer_ids(record)
    return mob_id, encode(f"supervisor authority of mob {mob_id!r}", record)


def _overlay_row(mob_id: str, record: ExternalBindingOverlayRecord) -> tuple[str, str, bytes, bytes]:
    document = encode(_what(mob_id, record.agent_identity, record.generation), record)
    return mob_id, record.agent_identity, sorting_bytes(record.generation), document


def _what(mob_id: str, agent_identity: str, generation: int) -> str:
    return f"overlay of {agent_identity!r}, generation {generation}, of mob {mob_id!r}"


def sorting_bytes(generation: int) -> bytes:
    """A number of 64 bits, which no integer column holds, as bytes in its order. Raises InternalError."""
    try:
        return generation.to_bytes(8)
    except OverflowError as error:
        raise InternalError(f"generation {generation} cannot be stored: {error}") from None
