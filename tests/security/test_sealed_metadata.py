"""Runtime metadata with a seal key: nothing secret in clear on the server, and rotation to another key."""

from __future__ import annotations

import json
from typing import Any

import pytest

from redis_mob import (
    ExternalBindingOverlayRecord,
    InternalError,
    MobStorage,
    SealKey,
    SealKeyMissingError,
    SealKeyring,
    SerializationError,
    SupervisorAuthorityRecord,
    SupervisorPendingRotationRecord,
    UnsealedSecretsWarning,
)
from redis_mob.codec.runtime_metadata import SUPERVISOR, overlay_place
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.contracts import MobRuntimeMetadataStore
from redis_mob.security.identity import generate_authority
from redis_mob.testing.samples.states import NOON
from tests.security.conftest import OpenMetadata
from tests.support.raw import keys_of

FIRST, SECOND = SealKey.generate("first"), SealKey.generate("second")
TOKEN = "hush-hush-bootstrap-token"  # noqa: S105
SUCCESSOR = generate_authority()
AUTHORITY = generate_authority().model_copy(
    update={"pending_rotation": SupervisorPendingRotationRecord.from_authority(SUCCESSOR, ["a", "b"])}
)
OTHER_AUTHORITY = generate_authority()
MOBS = ("mob-1", "mob-2", "mób")


def overlay(agent: str = "agent", generation: int = 1, token: str | None = TOKEN) -> ExternalBindingOverlayRecord:
    return ExternalBindingOverlayRecord(
        agent_identity=agent, generation=generation, bootstrap_token=token, status="Normalized", updated_at=NOON
    )


OVERLAYS = [overlay(), overlay(generation=2), overlay("silent", token=None)]


async def forget_seal_keys(connection: Client, keys: Keys) -> None:
    """Have the namespace open with any key, as where what it knows of its keys was lost, and the loss accepted."""
    await connection.router.request("DEL", keys.seal_keys, keys.seal_key_checks)
    await connection.router.request("HDEL", keys.meta, "n:seal_keys", "n:seal_key_checks")


async def fill(metadata: MobRuntimeMetadataStore) -> None:
    for mob in MOBS:
        await metadata.put_supervisor_authority(mob, AUTHORITY)
        for record in OVERLAYS:
            await metadata.upsert_external_binding_overlay(mob, record)


async def check(metadata: MobRuntimeMetadataStore) -> None:
    for mob in MOBS:
        assert await metadata.load_supervisor_authority(mob) == AUTHORITY
        assert await metadata.list_external_binding_overlays(mob) == OVERLAYS


SECRETS = 3 * len(MOBS)
"""The sealed records that `fill` leaves: an authority and two tokens for each mob."""


def forms_of(secret: bytes) -> list[bytes]:
    """How a secret key may look in storage."""
    return [secret, secret.hex().encode(), json.dumps(list(secret)).encode(), bytes(str([*secret])[1:20], "ascii")]


async def content(connection: Client, keys: Keys) -> bytes:
    """Everything that a namespace holds, uncompressed."""
    everything = b""
    for name in sorted(await keys_of(connection, keys)):
        match await connection.router.request("TYPE", name):
            case b"hash":
                everything += b"\n".join(await connection.router.request("HGETALL", name))
            case b"zset":
                everything += b"\n".join(await connection.router.request("ZRANGE", name, 0, -1))
            case b"set":
                everything += b"\n".join(await connection.router.request("SMEMBERS", name))
            case kind:
                raise AssertionError(f"{name} is a {kind!r}: say here how to read it")
    return everything


async def shown(connection: Client, keys: Keys) -> list[bytes]:
    """The secrets of `fill` that a namespace shows."""
    everything = await content(connection, keys)
    secret_keys = (AUTHORITY.secret_key, SUCCESSOR.secret_key)
    forms = [TOKEN.encode(), *(form for key in secret_keys for form in forms_of(key))]
    return [form for form in forms if form in everything.replace(b",", b", ") or form in everything]


async def test_no_secret_is_on_the_server_in_clear(metadata_with: OpenMetadata, connection: Client, keys: Keys) -> None:
    async with metadata_with(FIRST) as metadata:
        await fill(metadata)
        assert await metadata.put_supervisor_authority_if_absent("new", AUTHORITY)
        assert await metadata.compare_and_put_supervisor_authority("new", AUTHORITY, AUTHORITY)
        assert await metadata.put_external_binding_overlay_if_absent("new", overlay())
        await check(metadata)
    assert await shown(connection, keys) == []


async def test_without_a_key_the_secrets_are_there_to_be_seen(
    metadata_with: OpenMetadata, connection: Client, keys: Keys
) -> None:
    with pytest.warns(UnsealedSecretsWarning):
        async with metadata_with() as metadata:
            await fill(metadata)
            await check(metadata)
    assert len(await shown(connection, keys)) == 5


async def test_each_storage_without_a_key_warns_once_at_the_caller(metadata_with: OpenMetadata) -> None:
    for _ in range(2):
        with pytest.warns(UnsealedSecretsWarning) as given:
            async with metadata_with() as metadata:
                await metadata.upsert_external_binding_overlay("mob", overlay(token=None))
                assert not given
                await fill(metadata)
        assert [warning.filename for warning in given] == [__file__]


async def test_reopened_with_the_key_everything_is_there(metadata_with: OpenMetadata) -> None:
    async with metadata_with(FIRST) as metadata:
        await fill(metadata)
    async with metadata_with(SealKeyring(SECOND, SealKey.from_text(FIRST.to_text()))) as metadata:
        await check(metadata)


@pytest.mark.parametrize("wrong", [None, SECOND], ids=["no_key", "wrong_key"])
async def test_reopened_without_the_key_the_key_is_named(metadata_with: OpenMetadata, wrong: SealKey | None) -> None:
    async with metadata_with(FIRST) as metadata:
        await fill(metadata)
    with pytest.raises(SealKeyMissingError, match="'first'") as missing:
        async with metadata_with(wrong):
            pass
    assert missing.value.key_id == "first"


async def test_a_storage_without_a_key_cannot_read_what_another_sealed_later(metadata_with: OpenMetadata) -> None:
    async with metadata_with() as early, metadata_with(FIRST) as metadata:
        await fill(metadata)
        for read in (early.load_supervisor_authority, early.list_external_binding_overlays):
            with pytest.raises(SealKeyMissingError, match="'first'"):
                await read("mob-1")


async def test_another_key_of_the_same_id_opens_nothing_and_shows_nothing(
    metadata_with: OpenMetadata, connection: Client, keys: Keys
) -> None:
    async with metadata_with(FIRST) as metadata:
        await fill(metadata)
    await forget_seal_keys(connection, keys)
    async with metadata_with(SealKey("first", SECOND.secret)) as metadata:
        for read in (metadata.load_supervisor_authority, metadata.list_external_binding_overlays):
            with pytest.raises(SerializationError, match="of mob 'mob-1' does not open with seal key 'first'"):
                await read("mob-1")


async def test_case_098_sealed_records_are_compared_by_value(
    metadata_with: OpenMetadata, connection: Client, keys: Keys
) -> None:
    async with metadata_with(FIRST) as metadata:
        ring = SealKeyring(FIRST)
        reordered = json.dumps(dict(reversed(json.loads(AUTHORITY.model_dump_json()).items()))).encode()
        assert reordered != AUTHORITY.model_dump_json().encode()
        await connection.router.request("HSET", keys.supervisors, "mob", ring.seal("mob", SUPERVISOR, reordered))
        assert not await metadata.compare_and_put_supervisor_authority("mob", OTHER_AUTHORITY, AUTHORITY)
        assert await metadata.compare_and_put_supervisor_authority("mob", AUTHORITY, OTHER_AUTHORITY)
        assert not await metadata.compare_and_put_supervisor_authority("mob", AUTHORITY, OTHER_AUTHORITY)
        assert await metadata.load_supervisor_authority("mob") == OTHER_AUTHORITY


async def test_a_record_moved_to_another_mob_does_not_open(
    metadata_with: OpenMetadata, connection: Client, keys: Keys
) -> None:
    async with metadata_with(FIRST) as metadata:
        await fill(metadata)
        stolen = await connection.router.request("HGET", keys.supervisors, "mob-1")
        await connection.router.request("HSET", keys.supervisors, "mob-2", stolen)
        with pytest.raises(SerializationError, match="supervisor authority of mob 'mob-2'"):
            await metadata.load_supervisor_authority("mob-2")
        assert await metadata.load_supervisor_authority("mob-1") == AUTHORITY


@pytest.mark.parametrize("target", [("mob-2", "agent", 1), ("mob-1", "agent", 2)], ids=["mob", "generation"])
async def test_a_token_moved_to_another_overlay_does_not_open(
    metadata_with: OpenMetadata, connection: Client, keys: Keys, target: tuple[str, str, int]
) -> None:
    async with metadata_with(FIRST) as metadata:
        await fill(metadata)
        stolen = await connection.router.request("HGET", keys.overlays, overlay_place("mob-1", "agent", 1))
        await connection.router.request("HSET", keys.overlays, overlay_place(*target), stolen)
        with pytest.raises(SerializationError, match=f"of mob '{target[0]}'"):
            await metadata.list_external_binding_overlays(target[0])


async def test_a_change_of_any_byte_of_a_stored_authority_is_refused(
    metadata_with: OpenMetadata, connection: Client, keys: Keys
) -> None:
    async with metadata_with(FIRST) as metadata:
        await metadata.put_supervisor_authority("mob", AUTHORITY)
        stored = await connection.router.request("HGET", keys.supervisors, "mob")
        for position in range(len(stored)):
            changed = bytearray(stored)
            changed[position] ^= 1
            await connection.router.request("HSET", keys.supervisors, "mob", bytes(changed))
            with pytest.raises((SerializationError, SealKeyMissingError)):
                await metadata.load_supervisor_authority("mob")


async def test_a_record_in_clear_is_refused_where_there_is_a_key(
    metadata_with: OpenMetadata, connection: Client, keys: Keys
) -> None:
    async with metadata_with(FIRST) as metadata:
        planted: SupervisorAuthorityRecord = OTHER_AUTHORITY
        await connection.router.request("HSET", keys.supervisors, "mob", planted.model_dump_json())
        with pytest.raises(SerializationError, match="stored in clear although this storage has a seal key"):
            await metadata.load_supervisor_authority("mob")
        with pytest.raises(SerializationError, match="stored in clear"):
            await metadata.compare_and_put_supervisor_authority("mob", planted, AUTHORITY)


async def test_a_sealed_record_can_be_deleted_without_opening_it(
    metadata_with: OpenMetadata, connection: Client, keys: Keys
) -> None:
    async with metadata_with(FIRST) as metadata:
        await fill(metadata)
    await forget_seal_keys(connection, keys)
    async with metadata_with(SealKey("first", SECOND.secret)) as metadata:
        for mob in MOBS:
            await metadata.delete_supervisor_authority(mob)
            await metadata.delete_external_binding_overlays(mob)
    assert await connection.router.request("EXISTS", keys.supervisors, keys.overlays) == 0


async def test_resealing_makes_the_old_key_superfluous(
    metadata_with: OpenMetadata, connection: Client, keys: Keys
) -> None:
    async with metadata_with(FIRST) as metadata:
        await fill(metadata)
    async with metadata_with(SealKeyring(SECOND, FIRST)) as metadata:
        await metadata.put_supervisor_authority("mob-1", AUTHORITY)
        assert await metadata.reseal_all() == SECRETS - 1
        assert await metadata.reseal_all() == 0
        assert await connection.router.request("SMEMBERS", keys.seal_keys) == [b"second"]
        await check(metadata)
    async with metadata_with(SECOND) as metadata:
        await check(metadata)
    with pytest.raises(SealKeyMissingError, match="'second'"):
        async with metadata_with(FIRST):
            pass


async def test_resealing_adopts_records_in_clear_only_when_told(
    metadata_with: OpenMetadata, connection: Client, keys: Keys
) -> None:
    with pytest.warns(UnsealedSecretsWarning):
        async with metadata_with() as metadata:
            await fill(metadata)
    async with metadata_with(FIRST) as metadata:
        with pytest.raises(SerializationError, match="adopt_unsealed"):
            await metadata.reseal_all()
        assert await metadata.reseal_all(adopt_unsealed=True) == SECRETS
        await check(metadata)
    assert await shown(connection, keys) == []


async def test_resealing_stops_at_a_damaged_record_and_retires_no_key(
    metadata_with: OpenMetadata, connection: Client, keys: Keys
) -> None:
    async with metadata_with(FIRST) as metadata:
        await fill(metadata)
    stored = await connection.router.request("HGET", keys.supervisors, "mob-2")
    await connection.router.request("HSET", keys.supervisors, "mob-2", stored[:-1])
    async with metadata_with(SealKeyring(SECOND, FIRST)) as metadata:
        with pytest.raises(SerializationError, match="supervisor authority of mob 'mob-2'"):
            await metadata.reseal_all(adopt_unsealed=True)
    assert await connection.router.request("SCARD", keys.seal_keys) == 2


async def test_resealing_keeps_what_others_write_meanwhile(
    metadata_with: OpenMetadata, connection: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with metadata_with(FIRST) as metadata:
        await fill(metadata)
    async with metadata_with(SealKeyring(FIRST, SECOND)) as late, metadata_with(SealKeyring(SECOND, FIRST)) as metadata:
        call, overtaken = Client.call, False

        async def overtake(self: Client, script: str, *rest: Any) -> Any:
            nonlocal overtaken
            if script == "runtime_metadata/replace_record" and not overtaken:
                overtaken = True
                for mob in MOBS:
                    await late.put_supervisor_authority(mob, OTHER_AUTHORITY)
            return await call(self, script, *rest)

        monkeypatch.setattr(Client, "call", overtake)
        assert await metadata.reseal_all() == SECRETS
        for mob in MOBS:
            assert await metadata.load_supervisor_authority(mob) == OTHER_AUTHORITY
    async with metadata_with(SECOND) as metadata:
        assert await metadata.load_supervisor_authority("mob-1") == OTHER_AUTHORITY


async def test_in_memory_there_is_nothing_to_seal(namespace: str) -> None:
    async with MobStorage.open("memory:", namespace=namespace, seal_key=FIRST) as storage:
        await fill(storage.runtime_metadata)
        assert await storage.runtime_metadata.reseal_all(adopt_unsealed=True) == 0
        await check(storage.runtime_metadata)


async def test_without_a_key_nothing_is_resealed(metadata_with: OpenMetadata) -> None:
    async with metadata_with() as metadata:
        with pytest.raises(InternalError, match="open the storage with a seal_key"):
            await metadata.reseal_all()
