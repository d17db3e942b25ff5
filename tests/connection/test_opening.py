"""Opening a storage waits for what passes, fails at once for what does not, and leaves nothing behind when it fails."""

# pyright: reportPrivateUsage=false
# Only the record of a started server process tells whether it has ended.

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from redis_mob.connection.calls import client as client_module
from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.embedded.server_process import ServerProcess
from redis_mob.connection.retry import RetryPolicy
from redis_mob.errors import InternalError, StorageUnavailableError, ValidationError
from redis_mob.security.sealing import SealKey
from redis_mob.storage import MobStorage
from redis_mob.stores import storage as storage_module
from redis_mob.testing.faults import Fault, Plan, fault_proxy, in_order
from redis_mob.testing.waiting import until
from tests.support.fake_server import HANG_UP, fake_server, usual
from tests.support.servers import server

QUICK = RetryPolicy(deadline=20, base=0.001, cap=0.01, connect_timeout=0.2, reply_timeout=0.4)
PATIENT = RetryPolicy(deadline=3600, base=0.001, cap=0.01)
"""A policy whose deadline is longer than any test runs."""

SOON = 30.0
"""Seconds after which an opening certainly waits for the deadline of PATIENT."""

KEY = SealKey.generate("k")


def at(number: int, fault: Fault) -> Plan:
    """A plan with this fault for the request of this number; requests of handshakes count."""
    return lambda request: fault if request.number == number else Fault.NONE


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.NONE], ids=lambda fault: fault.value)
async def test_a_fault_at_any_request_of_the_opening_is_survived(fault: Fault) -> None:
    with server("--requirepass", "hush", "--appendonly", "yes") as url:
        number, met = 0, True
        while met:
            number += 1
            async with (
                fault_proxy(url.replace("unix://", "unix://:hush@") + "?db=1", at(number, fault)) as proxy,
                MobStorage.open(
                    proxy.url, namespace=f"n{number}", seal_key=KEY, durability="fsync", retry=QUICK
                ) as storage,
            ):
                met = proxy.count(fault) > 0
                assert await storage.events.latest_cursor() == 0
    assert number > 10, "a login, a database, questions to the server, the namespace, its keys, and their durability"


async def test_a_network_that_cuts_everything_for_a_while_is_waited_for(server_url: str, namespace: str) -> None:
    async with fault_proxy(server_url, lambda _request: Fault.CUT_BEFORE) as proxy:
        opening = asyncio.create_task(opened(proxy.url, namespace=namespace, retry=PATIENT))
        await until(lambda: proxy.connections > 10)
        proxy.plan = in_order(())
        storage = await opening
        assert await storage.events.latest_cursor() == 0
        await storage.aclose()


async def test_a_server_that_was_reached_and_then_is_away_is_waited_for(tmp_path: Path) -> None:
    asked = asyncio.Event()

    def dying(command: list[bytes]) -> bytes | None:
        if command[0] == b"INFO":
            asked.set()
            return HANG_UP
        return usual(command)

    async with fake_server(tmp_path, dying) as url:
        opening = asyncio.create_task(connect(url, retry=PATIENT))
        await asked.wait()
    assert not opening.done()
    async with fake_server(tmp_path, usual):
        await (await opening).aclose()


async def test_without_a_deadline_for_more_than_one_attempt_a_cut_is_told(server_url: str, namespace: str) -> None:
    async with fault_proxy(server_url, at(1, Fault.CUT_BEFORE)) as proxy:
        with pytest.raises(StorageUnavailableError, match="Connection"):
            await MobStorage.open(proxy.url, namespace=namespace, retry=RetryPolicy(deadline=0))


async def test_no_server_at_the_address_is_told_at_once(tmp_path: Path, free_port: int) -> None:
    await fails_at_once(f"unix://{tmp_path}/none", "No such file")
    await fails_at_once(f"redis://127.0.0.1:{free_port}", str(free_port))
    await fails_at_once(
        f"redis+cluster://127.0.0.1:{free_port},127.0.0.1:{free_port}", "no node of the Cluster answers"
    )
    await fails_at_once(f"redis+sentinel://127.0.0.1:{free_port}/jobs", "no Sentinel of 'jobs' answers")


async def test_a_wrong_password_is_told_at_once() -> None:
    with server("--requirepass", "right") as url:
        await fails_at_once(url.replace("unix://", "unix://:wrong@"), "password of this URL is wrong")
        await fails_at_once(url, "asks for a password")


async def test_a_server_of_another_protocol_is_told_at_once(tmp_path: Path) -> None:
    async with fake_server(tmp_path, lambda _command: b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        await fails_at_once(url, "does not speak the protocol of Redis")


async def test_a_server_that_is_too_old_is_told_at_once(tmp_path: Path) -> None:
    def old(command: list[bytes]) -> bytes | None:
        return b"$17\r\nredis_version:6.0\r\n" if command[0] == b"INFO" else usual(command)

    async with fake_server(tmp_path, old) as url:
        await fails_at_once(url, "too old")


STAGES = [
    (ServerProcess, "answer"),
    (ServerProcess, "wait_until_loaded"),
    (client_module, "Router"),
    (client_module, "Calls"),
    (client_module, "_supported_server"),
    (client_module, "required_wait"),
    (client_module, "Client"),
    (Client, "open_namespace"),
    (storage_module, "open_with_seal_keys"),
    (storage_module, "RedisStorage"),
    (storage_module, "WakeUps"),
]


@pytest.mark.parametrize("failure", [RuntimeError, asyncio.CancelledError], ids=lambda failure: failure.__name__)
@pytest.mark.parametrize(("owner", "name"), STAGES, ids=[name for _, name in STAGES])
async def test_an_opening_that_fails_leaves_no_process_no_task_and_no_connection(
    monkeypatch: pytest.MonkeyPatch, server_url: str, owner: Any, name: str, failure: type[BaseException]
) -> None:
    processes: list[ServerProcess] = []
    start = ServerProcess.start

    def recorded(*arguments: Any) -> ServerProcess:
        processes.append(start(*arguments))
        return processes[-1]

    def fail(*_: Any, **__: Any) -> Any:
        raise failure("this stage fails")

    observer = await connect(server_url)
    before, tasks = await connections(observer), asyncio.all_tasks()
    monkeypatch.setattr(ServerProcess, "start", recorded)
    monkeypatch.setattr(owner, name, fail)
    with pytest.raises(failure, match="this stage fails"):
        await MobStorage.open("embedded:")
    if owner is not ServerProcess:
        with pytest.raises(failure, match="this stage fails"):
            await MobStorage.open(server_url)
    assert len(processes) == 1
    assert all(process._process.poll() is not None for process in processes)
    assert asyncio.all_tasks() == tasks
    assert await until_equal(lambda: connections(observer), before)
    await observer.aclose()


@pytest.mark.parametrize("wrong", [{"retry": "x"}, {"retry": 3}, {"durability": "disk"}, {"namespace": "a b"}])
async def test_a_wrong_argument_is_refused_before_a_server_is_started(
    monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any]
) -> None:
    def fail(*_: Any) -> Any:
        raise AssertionError("a server was started")

    monkeypatch.setattr(ServerProcess, "start", fail)
    for url in ("embedded:", "memory:"):
        with pytest.raises(ValidationError, match=next(iter(wrong))):
            await MobStorage.open(url, **wrong)


@pytest.mark.parametrize("url", ["memory:", "server"])
async def test_only_the_loop_that_opened_a_storage_closes_it(url: str, server_url: str, namespace: str) -> None:
    storage = await MobStorage.open(server_url if url == "server" else url, namespace=namespace)

    def close_elsewhere() -> None:
        asyncio.run(storage.aclose())

    with pytest.raises(InternalError, match="opened in another event loop; close it there"):
        await asyncio.to_thread(close_elsewhere)
    async with storage.events.subscribe():
        assert await storage.events.latest_cursor() == 0
    await storage.aclose()
    await storage.aclose()
    await asyncio.to_thread(close_elsewhere)


async def opened(url: str, **options: Any) -> MobStorage:
    return await MobStorage.open(url, **options)


async def fails_at_once(url: str, reason: str) -> None:
    with pytest.raises(StorageUnavailableError, match=reason):
        async with asyncio.timeout(SOON):
            await MobStorage.open(url, retry=PATIENT)


async def connections(observer: Client) -> int:
    return len((await observer.router.request("CLIENT", "LIST")).splitlines())


async def until_equal(get: Callable[[], Any], wanted: int) -> bool:
    """Wait for the value, since a server notices the end of a connection a moment later."""
    async with asyncio.timeout(SOON):
        while await get() != wanted:  # noqa: ASYNC110 - it is the server that we wait for
            await asyncio.sleep(0.001)
    return True
