"""What random input has found, each as a test of its own: an input is bytes, whose meaning changes with a target."""

# pyright: reportPrivateUsage=false
# A message of the server that is none comes to a private method first.

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.scripts import library
from redis_mob.connection.failures import ServerRefusalError, TransportError
from redis_mob.connection.servers.channel import Channel
from redis_mob.errors import SerializationError, StorageUnavailableError, ValidationError
from redis_mob.meerkat.reading import opened
from redis_mob.notifications.wakeups import WakeUps
from redis_mob.storage import MobStorage
from redis_mob.ui.app import ui_app
from redis_mob.ui.settings import UiSettings
from tests.fuzz.requests import answer_of, scope_of
from tests.meerkat.files import golden
from tests.ui.conftest import storage as storage

REPLIES: list[Any] = [0, -1, b"", b"x", [], [None], [b"", 1], [[], []], b"\xff" * 9]
READS: dict[str, Callable[[MobStorage], Awaitable[Any]]] = {
    "a run": lambda storage: storage.runs.get_run("00000000-0000-4000-8000-000000000000"),
    "runs": lambda storage: storage.runs.list_runs("mob"),
    "workers": lambda storage: storage.executions.workers(),
    "events": lambda storage: storage.events.poll(0, 10),
    "pauses": lambda storage: storage.pauses.pauses(),
    "a spec": lambda storage: storage.specs.get_spec("mob"),
    "config": lambda storage: storage.config.snapshot(["n"]),
    "webhooks": lambda storage: storage.webhooks.list(),
    "records": lambda storage: storage.records.list("c"),
}


@pytest.mark.parametrize("what", READS)
async def test_a_reply_of_another_form_is_told_by_an_error_of_this_library(
    what: str, server_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, told = Channel.request, list[str]()
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        for wrong in REPLIES:
            left = [wrong]

            async def answer(self: Channel, *parts: Any, left: list[Any] = left, **options: Any) -> Any:
                reply = await real(self, *parts, **options)
                return left.pop() if left and parts[0].startswith(b"EVALSHA") else reply

            with monkeypatch.context() as patched:
                patched.setattr(Channel, "request", answer)
                try:
                    await READS[what](storage)
                except SerializationError as error:
                    told.append(str(error))
    assert any("the server's reply cannot be read" in text for text in told), told


async def test_a_namespace_is_not_opened_by_replies_that_cannot_be_read(
    server_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, told = Channel.request, list[str]()
    for wrong in REPLIES:

        async def answer(self: Channel, *parts: Any, wrong: Any = wrong, **options: Any) -> Any:
            reply = await real(self, *parts, **options)
            return wrong if parts[0] == b"EVALSHA" else reply

        with monkeypatch.context() as patched:
            patched.setattr(Channel, "request", answer)
            with pytest.raises((StorageUnavailableError, SerializationError)) as caught:
                await MobStorage.open(server_url, namespace=namespace)
            told.append(str(caught.value))
    assert any("the server's replies cannot be read" in text for text in told), told


@pytest.mark.parametrize("message", [1.5, 7, None, b"x", [], [b"message"], [b"smessage", []], [b"ssubscribe", {}]])
async def test_what_comes_in_the_place_of_a_wake_up_ends_the_connection_alone(connection: Client, message: Any) -> None:
    async with WakeUps(connection) as wake_ups:
        with pytest.raises(TransportError, match="what the server sends is no message"):
            wake_ups._take(message)


def test_a_database_whose_damage_cannot_be_told_as_text_is_refused(tmp_path: Path) -> None:
    path = golden(tmp_path)
    content = path.read_bytes()
    assert b"CREATE TABLE mob_events" in content
    path.write_bytes(content.replace(b"CREATE TABLE mob_events", b"CREATE TABLX \x80ob_events"))
    with pytest.raises(ValidationError, match="cannot be read as a database"), opened(path):
        raise AssertionError("it was opened")


async def test_a_query_that_is_no_utf_8_is_no_mistake_of_the_server(storage: MobStorage) -> None:
    app = ui_app(storage, UiSettings())
    scope = scope_of("GET", "/", b"x=\xed\xa0", [(b"host", b"127.0.0.1")], "127.0.0.1")
    assert (await answer_of(app, scope, b""))["status"] == 400
    await app.state.hub.aclose()


async def test_a_list_that_is_longer_than_the_arguments_ends_a_script_at_once(connection: Client, keys: Keys) -> None:
    script = library().script("seal_keys/use_seal_keys")
    await connection.router.request("SCRIPT", "LOAD", script.text)
    names = [keys.meta, keys.seal_keys, keys.seal_key_checks]
    for lists in (("4294967296", "a"), ("2", "a", "b", "1", "c"), ("1", "a", "99999999999999")):
        call = ("EVALSHA", script.sha, 5, *names, keys.meta, keys.meta + ":session", "a", "", *lists)
        with pytest.raises(ServerRefusalError):
            await connection.router.request(*call, b"1", b"1", b"0:0", b"-", b"")
        assert await connection.router.request("EXISTS", keys.seal_keys) == 0, "it has written"
