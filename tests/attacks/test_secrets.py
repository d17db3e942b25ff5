"""No error leads to a secret that a method was given, in any part of the error."""

from __future__ import annotations

import asyncio
import base64
import pickle
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pydantic
import pytest
from redis import Redis

from redis_mob.admin.doctor.examination import examine
from redis_mob.codec.runtime_metadata import SUPERVISOR, token_kind
from redis_mob.connection.calls.client import connect
from redis_mob.connection.calls.durability import Durability
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.retry import RetryPolicy
from redis_mob.errors import RedisMobError, ValidationError
from redis_mob.models import ExternalBindingOverlayRecord, SupervisorAuthorityRecord
from redis_mob.security.identity import parse_key_text, peer_id, public_key
from redis_mob.security.sealing import SealKey, SealKeyring
from redis_mob.storage import MobStorage
from redis_mob.testing.faults import Fault, fault_proxy
from redis_mob.testing.servers.raw_client import RawClient
from tests.support.servers import server
from tests.support.users import admin_of

pytestmark = pytest.mark.filterwarnings("ignore::redis_mob.errors.UnsealedSecretsWarning")

MARK = "pl4nted"
"""Part of every secret text here."""

PASSWORD = f"{MARK}-password"
TOKEN = f"{MARK}-token"
KEY = MARK.encode() * 4 + b"1234"
"""The secret key of a supervisor, and of a seal."""

NO_BYTES: Any = KEY.decode()
NO_SEAL_KEY: Any = TOKEN
BARE_KEY: Any = KEY
"""Secrets where something of another type is asked for."""

SOON = RetryPolicy(deadline=0.5, base=0.01, cap=0.01)

FORMS = (
    MARK,
    repr(list(KEY))[1:30],
    base64.b64encode(KEY).decode()[:16],
    KEY.hex()[:16],
    quote(MARK),
)
"""In what forms a secret may be seen."""


def things_in(error: BaseException) -> Iterator[object]:
    """All that an error carries, and the errors that led to it; without the local variables of tracebacks."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        yield thing
        if isinstance(thing, BaseException):
            names = [name for name in dir(thing) if not name.startswith("__")]
            waiting += [value for name in names if not callable(value := getattr(thing, name, None))]
            waiting += [thing.__cause__, thing.__context__, thing.args, getattr(thing, "__notes__", None)]
            if isinstance(thing, pydantic.ValidationError):
                waiting += [thing.errors(), thing.json()]
        elif isinstance(thing, dict):
            waiting += [*thing.keys(), *thing.values()]
        elif isinstance(thing, list | tuple | set | frozenset):
            waiting += thing


def shows_nothing(error: BaseException) -> bool:
    """Whether no secret is in any text that an error leads to."""
    texts = [form for thing in things_in(error) for form in (str(thing), repr(thing))]
    ours = [thing for thing in things_in(error) if isinstance(thing, RedisMobError | pydantic.ValidationError)]
    texts += [repr(pickle.dumps(one)) for one in ours]
    return not any(form in text for form in FORMS for text in texts)


def authority(**changes: Any) -> SupervisorAuthorityRecord:
    made = SupervisorAuthorityRecord(
        secret_key=KEY, public_peer_id=peer_id(public_key(KEY)), epoch=1, protocol_version=2
    )
    return made.model_copy(update=changes)


def overlay(**changes: Any) -> ExternalBindingOverlayRecord:
    made = ExternalBindingOverlayRecord(
        agent_identity="a", generation=1, bootstrap_token=TOKEN, status="Normalized", updated_at=datetime.now(UTC)
    )
    return made.model_copy(update=changes)


def test_the_search_finds_what_is_there() -> None:
    try:
        try:
            TOKEN.encode("ascii")
            raise ValueError(TOKEN)
        except ValueError as error:
            raise KeyError("harmless") from error
    except KeyError as error:
        assert not shows_nothing(error)
    try:
        f"{TOKEN}\udc80".encode()
    except UnicodeEncodeError as error:
        assert not shows_nothing(error)
    assert not shows_nothing(ValueError([{"a": (KEY,)}]))


BAD_AUTHORITIES: dict[str, dict[str, Any]] = {
    "another peer id": {"public_peer_id": "p"},
    "a peer id that is no UTF-8": {"public_peer_id": "\udc80"},
    "a key that is too short": {"secret_key": KEY[:-1]},
    "a key of another type": {"secret_key": KEY.decode()},
    "no key": {"secret_key": None},
    "an epoch that JSON cannot hold": {"epoch": object()},
}
BAD_OVERLAYS: dict[str, dict[str, Any]] = {
    "a token that is no UTF-8": {"bootstrap_token": f"{TOKEN}\udc80"},
    "a status that JSON cannot hold": {"status": object()},
    "an agent that is no UTF-8": {"agent_identity": "\udc80"},
    "a generation that is too large": {"generation": 2**80},
}
"""What model_copy lets through."""


async def refusal(call: Awaitable[Any]) -> BaseException | None:
    try:
        await call
    except Exception as error:  # noqa: BLE001 - what kind it is, other attacks judge
        return error
    return None


@pytest.mark.parametrize("wrong", BAD_AUTHORITIES.values(), ids=BAD_AUTHORITIES.keys())
async def test_a_bad_authority_is_not_shown(storage: MobStorage, wrong: dict[str, Any]) -> None:
    store, bad = storage.runtime_metadata, authority(**wrong)
    await store.put_supervisor_authority("m", authority())
    calls = [
        store.put_supervisor_authority("m", bad),
        store.put_supervisor_authority_if_absent("other", bad),
        store.compare_and_put_supervisor_authority("m", authority(), bad),
        store.compare_and_put_supervisor_authority("m", bad, authority()),
        store.put_supervisor_authority("\udc80", authority()),
    ]
    errors = [await refusal(call) for call in calls]
    assert errors[0] is not None
    assert all(error is None or shows_nothing(error) for error in errors)


@pytest.mark.parametrize("wrong", BAD_OVERLAYS.values(), ids=BAD_OVERLAYS.keys())
async def test_a_bad_overlay_is_not_shown(storage: MobStorage, wrong: dict[str, Any]) -> None:
    store, bad = storage.runtime_metadata, overlay(**wrong)
    calls = [
        store.put_external_binding_overlay_if_absent("m", bad),
        store.upsert_external_binding_overlay("m", bad),
        store.upsert_external_binding_overlay("\udc80", overlay()),
        store.list_external_binding_overlays("m"),
    ]
    errors = [await refusal(call) for call in calls]
    assert errors[0] is not None or errors[-1] is not None
    assert all(error is None or shows_nothing(error) for error in errors)


async def test_a_closed_storage_shows_nothing(url: str, namespace: str) -> None:
    storage = await MobStorage.open(url, namespace=namespace)
    await storage.aclose()
    for call in (
        storage.runtime_metadata.put_supervisor_authority("m", authority()),
        storage.runtime_metadata.upsert_external_binding_overlay("m", overlay()),
    ):
        error = await refusal(call)
        assert error is not None
        assert shows_nothing(error)


@pytest.mark.parametrize("fault", [Fault.CUT_BEFORE, Fault.CUT_AFTER, Fault.BLACK_HOLE])
@pytest.mark.parametrize("sealed", [True, False])
async def test_a_lost_connection_shows_nothing(server_url: str, namespace: str, sealed: bool, fault: Fault) -> None:
    key = SealKey("k", KEY) if sealed else None
    async with (
        fault_proxy(server_url) as proxy,
        MobStorage.open(proxy.url, namespace=namespace, seal_key=key, retry=SOON) as storage,
    ):
        proxy.plan = lambda _request: fault
        store = storage.runtime_metadata
        for call in (
            store.put_supervisor_authority("m", authority()),
            store.upsert_external_binding_overlay("m", overlay()),
            store.reseal_all(),
        ):
            error = await refusal(call)
            assert error is not None
            assert shows_nothing(error)


DAMAGE: list[Callable[[bytes], bytes]] = [
    lambda stored: stored[:-1],
    lambda stored: stored + b"}",
    lambda stored: stored.replace(b"epoch", b"epoxx"),
    lambda stored: b"\xff" + stored,
    lambda stored: stored.replace(MARK.encode(), MARK.encode() + b"\xff"),
    lambda stored: stored[:4] + b"\x00" + stored[5:],
]


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("sealed", [True, False])
async def test_a_damaged_record_is_not_shown(
    server_url: str, namespace: str, sealed: bool, damage: Callable[[bytes], bytes]
) -> None:
    key = SealKey("k", KEY) if sealed else None
    with admin_of(server_url) as raw:
        async with MobStorage.open(server_url, namespace=namespace, seal_key=key) as storage:
            store, keys = storage.runtime_metadata, Keys(namespace)
            await store.put_supervisor_authority("m", authority())
            await store.upsert_external_binding_overlay("m", overlay())
            for name in (keys.supervisors, keys.overlays):
                [(field, stored)] = raw.hgetall(name).items()
                raw.hset(name, field, damage(stored))
            for call in (
                store.load_supervisor_authority("m"),
                store.compare_and_put_supervisor_authority("m", authority(), authority()),
                store.list_external_binding_overlays("m"),
                store.reseal_all(adopt_unsealed=True),
            ):
                error = await refusal(call)
                assert error is None or shows_nothing(error)


def test_a_sealed_record_that_does_not_open_shows_nothing() -> None:
    ring = SealKeyring(SealKey("k", KEY))
    for kind, plaintext in ((SUPERVISOR, KEY), (token_kind("a", 1), TOKEN.encode())):
        sealed = ring.seal("m", kind, plaintext)
        for stored in (sealed[:-1], plaintext, b"", sealed[:6]):
            with pytest.raises(RedisMobError) as refused:
                ring.open("m", kind, stored)
            assert shows_nothing(refused.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: SealKey("k", KEY[:-1]),
        lambda: SealKey("k", NO_BYTES),
        lambda: SealKey(TOKEN + "/", KEY),
        lambda: SealKey.from_text(f"k:{base64.b64encode(KEY).decode()[:-4]}"),
        lambda: SealKey.from_text(TOKEN),
        lambda: SealKey.from_text(f"k:{TOKEN}é"),
        lambda: SealKeyring.from_text(f"{SealKey('a', KEY).to_text()}\n{TOKEN}"),
        lambda: SealKeyring(SealKey("a", KEY), SealKey("a", KEY)),
        lambda: SealKey.from_text(BARE_KEY),
        lambda: SealKeyring(NO_SEAL_KEY),
        lambda: SealKeyring(BARE_KEY),
        lambda: SealKeyring(SealKey("a", KEY), NO_SEAL_KEY),
        lambda: SealKeyring.from_text(BARE_KEY),
        lambda: parse_key_text(BARE_KEY),
        lambda: parse_key_text(f"ed25519:{base64.b64encode(KEY).decode()}x"),
        lambda: parse_key_text(TOKEN),
        lambda: MobStorage.open("memory:", seal_key=NO_SEAL_KEY),
        lambda: MobStorage.open("memory:", seal_key=BARE_KEY),
    ],
)
def test_a_bad_key_is_not_shown(make: Callable[[], object]) -> None:
    with pytest.raises(RedisMobError) as refused:
        make()
    assert shows_nothing(refused.value)


async def test_a_namespace_that_needs_another_key_shows_none(server_url: str, namespace: str) -> None:
    async with MobStorage.open(server_url, namespace=namespace, seal_key=SealKey("a", KEY)):
        pass
    for keys in (None, SealKey("b", KEY), SealKeyring(SealKey("b", KEY), SealKey("c", KEY))):
        error = await refusal(opened(server_url, namespace=namespace, seal_key=keys))
        assert error is not None
        assert shows_nothing(error)


URLS = [
    "redis://me:{}@127.0.0.1:1",
    "rediss://me:{}@127.0.0.1:1",
    "redis://me:{}@no-such-host.invalid",
    "redis+cluster://me:{}@127.0.0.1:1,127.0.0.1:2",
    "redis+sentinel://me:{0}@127.0.0.1:1/jobs?sentinel_password={0}",
    "unix://me:{}@/nowhere/at/all",
    "redis://me:{}@127.0.0.1:x",
    "redis://me:{}@127.0.0.1:1/x",
    "redis://me:{}@127.0.0.1:1?a=b",
    "rediss://me:{}@127.0.0.1:1?ca=/nowhere.pem",
    "http://me:{}@h",
    "memory://me:{}@h",
    "redis://me:{}\ud800@127.0.0.1:1",
    "redis://\ud800:{}@127.0.0.1:1",
    "redis://{}\udc80@127.0.0.1:1",
    "redis+cluster://me:{}\ud800@127.0.0.1:1,127.0.0.1:2",
    "redis+sentinel://me:{0}@127.0.0.1:1/jobs?sentinel_password={0}\ud800",
    "redis+sentinel://me:{}@127.0.0.1:1/jobs\ud800",
    "unix://:{}\ud800@/nowhere/at/all",
    "unix://:{}@/nowhere/\ud800",
    "redis://me:{}@h\ud800:1",
]


@pytest.mark.parametrize("form", URLS)
async def test_a_url_does_not_show_its_password(form: str) -> None:
    full = form.format(PASSWORD)
    calls = [
        opened(full, retry=SOON),
        opened(full, durability="fsync", retry=SOON),
        connect(full, retry=SOON),
        connect(full, "n", retry=SOON),
        examine(full, "n", Durability()),
    ]
    for call in calls:
        error = await refusal(call)
        assert error is not None
        assert shows_nothing(error)


@pytest.mark.parametrize("form", [form for form in URLS if not form.isascii()])
async def test_the_environment_does_not_show_its_password(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # a surrogate of its own stands for each byte that is no UTF-8
    raw = form.format(PASSWORD).replace("\ud800", "\udcff")
    monkeypatch.setenv("REDIS_MOB_URL", raw)
    for call in (opened(None, retry=SOON), connect(None, "n", retry=SOON), examine(None, "n", Durability())):
        error = await refusal(call)
        assert isinstance(error, ValidationError)
        assert shows_nothing(error)


@pytest.mark.parametrize("form", ["{}", "{}?db=99999"])
async def test_a_wrong_password_is_not_shown(form: str) -> None:
    with server("--requirepass", "another") as unix:
        full = form.format(unix.replace("unix://", f"unix://:{PASSWORD}@"))
        for call in (opened(full), examine(full, "n", Durability())):
            error = await refusal(call)
            assert error is not None
            assert shows_nothing(error)
    with server("--requirepass", PASSWORD) as unix:
        full = unix.replace("unix://", f"unix://:{PASSWORD}@")
        async with MobStorage.open(full, retry=SOON) as storage:
            assert MARK not in f"{storage!r}"
            assert PASSWORD in storage.url
            with RawClient(Redis(unix_socket_path=unix.removeprefix("unix://"), password=PASSWORD)) as raw:
                raw.config_set("requirepass", "changed")
                raw.client_kill_filter(_type="normal", skipme=True)
            await asyncio.sleep(0)
            error = await refusal(storage.events.latest_cursor())
            assert error is not None
            assert shows_nothing(error)


async def opened(url: str | None, **options: Any) -> MobStorage:
    return await MobStorage.open(url, **options)
