"""Runtime metadata as it is stored, in clear and sealed: golden data, damage to each part, and what our errors say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from redis_mob.codec.packing import pack, unpack
from redis_mob.codec.runtime_metadata import SUPERVISOR, overlay_place, token_kind
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.contracts import MobRuntimeMetadataStore
from redis_mob.errors import InternalError, SerializationError
from redis_mob.models import ExternalBindingOverlayRecord
from redis_mob.security.sealing import SealKey, SealKeyring, SecretCodec, Unsealed
from redis_mob.storage import MobStorage
from redis_mob.stores.runtime_metadata import RedisRuntimeMetadataStore
from redis_mob.testing.samples.documents import authority, overlay, rotation
from tests.support.golden import read_jsonl
from tests.support.traces import Tally, replay

pytestmark = pytest.mark.filterwarnings("ignore::redis_mob.errors.UnsealedSecretsWarning")

TOKEN = "the-token"  # noqa: S105
PENDING = authority(pending=rotation(2, "peer-a", "peer-b"))


@pytest.fixture(params=[Unsealed, lambda: SealKeyring(SealKey.generate())], ids=["clear", "sealed"])
def secrets(request: pytest.FixtureRequest) -> SecretCodec:
    return request.param()


@pytest.fixture
def on_server(connection: Client, keys: Keys, secrets: SecretCodec) -> RedisRuntimeMetadataStore:
    """The store on the server, for tests that look behind it."""
    return RedisRuntimeMetadataStore(connection, keys, secrets)


@pytest.fixture(params=["clear", "sealed", "memory"])
async def metadata(
    request: pytest.FixtureRequest, server_url: str, namespace: str
) -> AsyncIterator[MobRuntimeMetadataStore]:
    """The store as a storage has it: with secrets in clear, sealed, and in memory."""
    url = "memory:" if request.param == "memory" else server_url
    seal_key = SealKey.generate() if request.param == "sealed" else None
    async with MobStorage.open(url, namespace=namespace, seal_key=seal_key) as storage:
        yield storage.runtime_metadata


async def stored_supervisor(connection: Client, keys: Keys, mob_id: str = "m") -> bytes:
    return await connection.router.request("HGET", keys.supervisors, mob_id)


async def test_every_recorded_call_has_the_same_result(metadata: MobRuntimeMetadataStore) -> None:
    assert await replay("metadata_01", metadata, MobRuntimeMetadataStore) == Tally(compared=389)


async def test_case_098_supervisor_compare_ignores_encoding(
    on_server: RedisRuntimeMetadataStore, secrets: SecretCodec, connection: Client, keys: Keys
) -> None:
    shuffled = dict(reversed(json.loads(PENDING.model_dump_json()).items()))
    other = json.dumps(shuffled, indent=2).encode()
    await connection.router.request("HSET", keys.supervisors, "m", secrets.seal("m", SUPERVISOR, other))
    assert await on_server.compare_and_put_supervisor_authority("m", PENDING, authority(3)) is True
    assert await on_server.load_supervisor_authority("m") == authority(3)


@pytest.mark.parametrize(
    ("between", "won"),
    [("the same record in other bytes", True), ("another record", False), ("nothing", False)],
)
async def test_a_record_that_changes_between_compare_and_put_is_compared_again(
    on_server: RedisRuntimeMetadataStore,
    secrets: SecretCodec,
    connection: Client,
    keys: Keys,
    monkeypatch: pytest.MonkeyPatch,
    between: str,
    won: bool,
) -> None:
    other_bytes = secrets.seal("m", SUPERVISOR, PENDING.model_dump_json(indent=1).encode())
    left, meddle = {
        "the same record in other bytes": (
            authority(3),
            lambda: connection.router.request("HSET", keys.supervisors, "m", other_bytes),
        ),
        "another record": (authority(5), lambda: on_server.put_supervisor_authority("m", authority(5))),
        "nothing": (None, lambda: on_server.delete_supervisor_authority("m")),
    }[between]
    once, read = [meddle], connection.read

    async def read_and_meddle(*args: Any) -> Any:
        reply = await read(*args)
        if once:
            await once.pop()()
        return reply

    await on_server.put_supervisor_authority("m", PENDING)
    monkeypatch.setattr(connection, "read", read_and_meddle)
    assert await on_server.compare_and_put_supervisor_authority("m", PENDING, authority(3)) is won
    assert not once
    assert await on_server.load_supervisor_authority("m") == left


async def test_secrets_are_stored_as_the_codec_seals_them(
    on_server: RedisRuntimeMetadataStore, secrets: SecretCodec, connection: Client, keys: Keys
) -> None:
    await on_server.put_supervisor_authority("m", PENDING)
    await on_server.upsert_external_binding_overlay("m", overlay(bootstrap_token=TOKEN))
    supervisor = await stored_supervisor(connection, keys)
    [stored] = await connection.router.request("HVALS", keys.overlays)
    in_clear = isinstance(secrets, Unsealed)
    assert (b"secret_key" in supervisor) is in_clear
    assert (TOKEN.encode() in stored) is in_clear


async def test_a_sealed_record_that_was_moved_does_not_open(connection: Client, keys: Keys) -> None:
    store = RedisRuntimeMetadataStore(connection, keys, SealKeyring(SealKey.generate()))
    await store.put_supervisor_authority("m", authority())
    await connection.router.request("HSET", keys.supervisors, "n", await stored_supervisor(connection, keys))
    with pytest.raises(SerializationError, match="supervisor authority of mob 'n'"):
        await store.load_supervisor_authority("n")
    await store.upsert_external_binding_overlay("m", overlay("a", 1, bootstrap_token=TOKEN))
    sealed = unpack(await connection.router.request("HGET", keys.overlays, overlay_place("m", "a", 1)))[1]
    moved = pack((overlay("a", 2).model_dump_json(exclude={"bootstrap_token"}), sealed))
    await store.upsert_external_binding_overlay("n", overlay("a", 2))
    await connection.router.request("HSET", keys.overlays, overlay_place("n", "a", 2), moved)
    with pytest.raises(SerializationError, match="bootstrap token of generation 2 of agent a of mob 'n'"):
        await store.list_external_binding_overlays("n")


async def test_golden_overlays_come_back_as_they_are(metadata: MobRuntimeMetadataStore) -> None:
    golden = [line["overlay"] for line in read_jsonl("wire/overlays.jsonl") if "overlay" in line]
    records = [ExternalBindingOverlayRecord.model_validate_json(json.dumps(value)) for value in golden]
    assert records
    for record in records:
        await metadata.delete_external_binding_overlays("m")
        await metadata.upsert_external_binding_overlay("m", record)
        [stored] = await metadata.list_external_binding_overlays("m")
        assert stored.model_dump_json() == record.model_dump_json()


async def test_thousands_of_overlays_are_listed_and_deleted(connection: Client, keys: Keys) -> None:
    on_server = RedisRuntimeMetadataStore(connection, keys, Unsealed())
    records = [overlay("a", generation) for generation in range(8500)]
    for first in range(0, len(records), 100):
        chunk = records[first : first + 100]
        await asyncio.gather(*(on_server.upsert_external_binding_overlay("m", record) for record in chunk))
    await on_server.upsert_external_binding_overlay("other", overlay())
    assert await on_server.list_external_binding_overlays("m") == records
    await on_server.delete_external_binding_overlays("m")
    assert await on_server.list_external_binding_overlays("m") == []
    assert await connection.router.request("HLEN", keys.overlays) == 1
    assert await connection.router.request("ZCARD", keys.overlay_places) == 1


@pytest.mark.parametrize(
    ("plaintext", "field"),
    [
        (b"", "JSON"),
        (b"\xff", "JSON"),
        (b"{}", "secret_key"),
        (authority().model_dump_json().replace('"epoch":0', '"epoch":-1').encode(), "epoch"),
        (authority(17).model_dump_json().replace('"secret_key":[17,', '"secret_key":[').encode(), "secret_key"),
    ],
)
async def test_a_damaged_authority_hurts_only_those_who_read_it(
    on_server: RedisRuntimeMetadataStore,
    secrets: SecretCodec,
    connection: Client,
    keys: Keys,
    plaintext: bytes,
    field: str,
) -> None:
    await on_server.put_supervisor_authority("sound", authority())
    stored = secrets.seal("m", SUPERVISOR, plaintext)
    await connection.router.request("HSET", keys.supervisors, "m", stored)
    for read in (
        on_server.load_supervisor_authority("m"),
        on_server.compare_and_put_supervisor_authority("m", authority(), authority(2)),
    ):
        with pytest.raises(SerializationError, match=f"supervisor authority of mob 'm': .*{field}") as caught:
            await read
        assert "17, 17" not in repr(caught.value)
        assert caught.value.__cause__ is None
    assert await stored_supervisor(connection, keys) == stored
    assert await on_server.load_supervisor_authority("sound") == authority()
    assert await on_server.put_supervisor_authority_if_absent("m", authority()) is False
    await on_server.put_supervisor_authority("m", authority(3))
    assert await on_server.load_supervisor_authority("m") == authority(3)


SOUND = overlay("bad", 3).model_dump_json(exclude={"bootstrap_token"})


@pytest.mark.parametrize(
    ("stored", "problem"),
    [
        (b"", "the record is damaged or missing"),
        (b"\xc1", "the record is damaged or missing"),
        (pack(SOUND), "the record is damaged or missing"),
        (pack((SOUND, "token")), "the record is damaged or missing"),
        (pack((SOUND, None)) + b"\0", "the record is damaged or missing"),
        (pack(("{", None)), "JSON"),
        (pack(("{}", None)), "agent_identity"),
        (pack((overlay("other", 3).model_dump_json(), None)), "belong to another overlay"),
        (pack((overlay("bad", 4).model_dump_json(), None)), "belong to another overlay"),
    ],
)
async def test_a_damaged_overlay_hurts_only_the_list_of_its_mob(
    on_server: RedisRuntimeMetadataStore, connection: Client, keys: Keys, stored: bytes, problem: str
) -> None:
    await on_server.upsert_external_binding_overlay("m", overlay("bad", 3))
    await on_server.upsert_external_binding_overlay("other", overlay())
    await connection.router.request("HSET", keys.overlays, overlay_place("m", "bad", 3), stored)
    with pytest.raises(SerializationError, match=f"overlay of 'bad', generation 3, of mob 'm': .*{problem}"):
        await on_server.list_external_binding_overlays("m")
    assert await on_server.list_external_binding_overlays("other") == [overlay()]
    await on_server.upsert_external_binding_overlay("m", overlay("good"))
    await on_server.delete_external_binding_overlay("m", "bad", 3)
    assert await on_server.list_external_binding_overlays("m") == [overlay("good")]


async def test_an_overlay_without_its_record_is_said_and_may_be_deleted(
    on_server: RedisRuntimeMetadataStore, connection: Client, keys: Keys
) -> None:
    await connection.router.request("ZADD", keys.overlay_places, 0, overlay_place("m", "a", 1))
    with pytest.raises(SerializationError, match="overlay of 'a', generation 1, of mob 'm': the record is damaged"):
        await on_server.list_external_binding_overlays("m")
    await on_server.delete_external_binding_overlay("m", "a", 1)
    assert await on_server.list_external_binding_overlays("m") == []


@pytest.mark.parametrize("place", [pack("m"), pack("m") + pack("a"), pack("m") + pack("a") + b"\xd9"])
async def test_a_damaged_place_of_an_overlay_is_said(
    on_server: RedisRuntimeMetadataStore, connection: Client, keys: Keys, place: bytes
) -> None:
    await connection.router.request("ZADD", keys.overlay_places, 0, place)
    with pytest.raises(SerializationError, match=r"the place .* of an overlay cannot be read"):
        await on_server.list_external_binding_overlays("m")


async def test_a_token_that_is_no_text_is_said_without_it(
    on_server: RedisRuntimeMetadataStore, secrets: SecretCodec, connection: Client, keys: Keys
) -> None:
    await on_server.upsert_external_binding_overlay("m", overlay("a", 1, bootstrap_token=TOKEN))
    token = secrets.seal("m", token_kind("a", 1), b"secret\xff")
    record = pack((overlay("a", 1).model_dump_json(exclude={"bootstrap_token"}), token))
    await connection.router.request("HSET", keys.overlays, overlay_place("m", "a", 1), record)
    with pytest.raises(SerializationError, match=r"overlay of 'a', .*: bootstrap_token is no UTF-8") as caught:
        await on_server.list_external_binding_overlays("m")
    assert "secret" not in repr(caught.value)
    assert caught.value.__cause__ is None


async def test_what_cannot_be_stored_is_said(
    on_server: RedisRuntimeMetadataStore, connection: Client, keys: Keys
) -> None:
    lone = "\ud800"
    peer = overlay(normalized_member_ref={"kind": "backend_peer", "peer_id": "p", "address": "a"}).normalized_member_ref
    assert peer is not None
    for call, said in (
        (on_server.put_supervisor_authority(lone, authority()), r"the mob id '\\ud800' cannot be stored"),
        (on_server.upsert_external_binding_overlay(lone, overlay()), r"the mob id '\\ud800' cannot be stored"),
        (on_server.delete_external_binding_overlay("m", "a", 2**64), f"generation {2**64} cannot be part of a name"),
        (
            on_server.upsert_external_binding_overlay("m", overlay().model_copy(update={"bootstrap_token": lone})),
            "the overlay of 'agent', generation 0, of mob 'm' cannot be stored: ",
        ),
        (
            on_server.upsert_external_binding_overlay(
                "m",
                overlay().model_copy(update={"normalized_member_ref": peer.model_copy(update={"peer_id": lone})}),
            ),
            "the overlay of 'agent', generation 0, of mob 'm' cannot be stored: ",
        ),
    ):
        with pytest.raises(InternalError, match=f"^{said}"):
            await call
    assert await connection.router.request("EXISTS", keys.supervisors, keys.overlays, keys.overlay_places) == 0
