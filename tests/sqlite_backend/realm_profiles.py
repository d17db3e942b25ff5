"""Realm profiles on sqlite3. A deleted one leaves its row without a document, so that its revisions go on."""

from __future__ import annotations

from datetime import UTC, datetime

from redis_mob.contracts import RealmProfileStore, StoredRealmProfiles
from redis_mob.errors import CasConflictError, NotFoundError
from redis_mob.models import Profile, StoredRealmProfile
from tests.sqlite_backend.database import Database, Sql
from tests.sqlite_backend.documents import decode, encode

TABLES = (
    """
    CREATE TABLE IF NOT EXISTS realm_profiles (
        name TEXT PRIMARY KEY, last_revision INTEGER NOT NULL, document BLOB
    ) STRICT
    """,
)


class SqliteRealmProfileStore(RealmProfileStore):
    """The contract's `RealmProfileStore` on sqlite3; its docstrings say what holds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, name: str, profile: Profile) -> StoredRealmProfile:
        def create(sql: Sql) -> StoredRealmProfile:
            if (present := _find(sql, name)) is not None:
                raise CasConflictError(f"{_what(name)} exists already, with revision {present.revision}")
            row = sql.execute("SELECT last_revision FROM realm_profiles WHERE name = ?", (name,)).fetchone()
            now = datetime.now(UTC)
            return _put(sql, name, profile, revision=row[0] + 1 if row else 1, created_at=now, updated_at=now)

        return await self._database.write(create)

    async def get(self, name: str) -> StoredRealmProfile | None:
        return await self._database.read(lambda sql: _find(sql, name))

    async def list(self) -> StoredRealmProfiles:
        query = "SELECT name, document FROM realm_profiles WHERE document IS NOT NULL ORDER BY name"
        rows = await self._database.read(lambda sql: sql.execute(query).fetchall())
        return [_decoded(name, document) for name, document in rows]

    async def update(self, name: str, profile: Profile, expected_revision: int) -> StoredRealmProfile:
        def update(sql: Sql) -> StoredRealmProfile:
            current = _existing(sql, name, expected_revision)
            now = datetime.now(UTC)
            return _put(
                sql, name, profile, revision=current.revision + 1, created_at=current.created_at, updated_at=now
            )

        return await self._database.write(update)

    async def delete(self, name: str, expected_revision: int) -> StoredRealmProfile:
        def delete(sql: Sql) -> StoredRealmProfile:
            current = _existing(sql, name, expected_revision)
            sql.execute("UPDATE realm_profiles SET document = NULL WHERE name = ?", (name,))
            return current

        return await self._database.write(delete)


def _what(name: str) -> str:
    return f"realm profile {name!r}"


def _find(sql: Sql, name: str) -> StoredRealmProfile | None:
    row = sql.execute("SELECT document FROM realm_profiles WHERE name = ?", (name,)).fetchone()
    return None if row is None or row[0] is None else _decoded(name, row[0])


def _decoded(name: str, document: bytes) -> StoredRealmProfile:
    return decode(_what(name), StoredRealmProfile, document)


def _existing(sql: Sql, name: str, expected_revision: int) -> StoredRealmProfile:
    """The profile if it is there, with this revision. Raises NotFoundError or CasConflictError."""
    current = _find(sql, name)
    if current is None:
        raise NotFoundError(f"{_what(name)} does not exist")
    if current.revision != expected_revision:
        raise CasConflictError(f"{_what(name)} has revision {current.revision}, not {expected_revision}")
    return current


def _put(
    sql: Sql, name: str, profile: Profile, *, revision: int, created_at: datetime, updated_at: datetime
) -> StoredRealmProfile:
    stored = StoredRealmProfile(
        name=name, profile=profile, revision=revision, created_at=created_at, updated_at=updated_at
    )
    document = encode(_what(name), stored)
    sql.execute("INSERT OR REPLACE INTO realm_profiles VALUES (?, ?, ?)", (name, revision, document))
    return _decoded(name, document)
