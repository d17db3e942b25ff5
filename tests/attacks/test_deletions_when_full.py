"""A full server refuses writes, but for those that make room, and what must come before them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, NamedTuple

import pytest

from redis_mob.connection.retry import RetryPolicy
from redis_mob.errors import WriteFailedError
from redis_mob.models.conversation import Conversation
from redis_mob.models.execution import ExecutionKey
from redis_mob.models.host import CommitBatch
from redis_mob.models.run_status import MobRunStatus
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.compound import scene
from redis_mob.testing.samples.driven_runs import ONE_STEP, DrivenRun, keys_of, pending, waiting
from redis_mob.testing.samples.host import batch, changed, created, mob_scope
from tests.support.refusing import FULL, RefusingServer, refusing_server
from tests.support.servers import redis7_program

TALK = Conversation("c")


class Scene(NamedTuple):
    """A namespace with a run that is at work, one that no fleet drives, a conversation and a host."""

    storage: MobStorage
    admin: FleetAdmin
    run_id: str
    key: ExecutionKey
    undriven: str
    fence: int


@pytest.fixture(params=["Valkey", "Redis 7"])
def own(request: pytest.FixtureRequest) -> Iterator[RefusingServer]:
    with refusing_server(None if request.param == "Valkey" else redis7_program()) as opened:
        yield opened


@pytest.fixture
async def given(own: RefusingServer) -> AsyncIterator[Scene]:
    async with MobStorage.open(own.url, retry=RetryPolicy(deadline=5.0, base=0.001, cap=0.01)) as storage:
        run, launch = pending(ONE_STEP)
        await storage.conversations.edit(TALK, "append", [1, 2, 3])
        await storage.conversations.start(run, launch, ONE_STEP, conversation=TALK)
        driven = DrivenRun(storage.executions, ONE_STEP, run.run_id)
        await driven.advance()
        [key, *_] = keys_of(await driven.view())
        await driven.claim(key)
        await storage.runs.create_run(other := scene())
        fence = (await storage.host.acquire_fence()).token
        await storage.host.commit(batch("a", fence, created(mob_scope(), b"row")))
        yield Scene(storage, FleetAdmin(storage), run.run_id, key, other.run_id, fence)


async def _in_handler(given: Scene, kind: Any) -> Any:
    view = await given.storage.executions.load(given.run_id)
    assert view is not None
    execution = view.executions[given.key]
    return await given.storage.conversations.change(given.run_id, given.key, execution, "c", 0, kind)


def _commit(given: Scene, *updates: Any) -> Awaitable[bool]:
    return given.storage.host.commit(CommitBatch("b", given.fence, updates))


async def _status(given: Scene) -> Any:
    return await given.storage.executions.status(given.run_id)


async def _undriven(given: Scene) -> Any:
    return await given.storage.executions.status(given.undriven)


async def _said(given: Scene) -> Any:
    return [one.value for one in await given.storage.conversations.history("c")]


async def _head(given: Scene) -> Any:
    return await given.storage.host.load_head(mob_scope())


MAKING_ROOM: dict[str, tuple[Callable[[Scene], Awaitable[Any]], Callable[[Scene], Awaitable[Any]], Any]] = {
    "cancel": (lambda given: given.admin.cancel(given.run_id), _status, MobRunStatus.CANCELED),
    "terminate": (lambda given: given.admin.terminate(given.run_id), _status, MobRunStatus.CANCELED),
    "delete": (lambda given: given.admin.delete(given.run_id, cancel=True), _status, None),
    "cancel undriven": (lambda given: given.admin.cancel(given.undriven), _undriven, MobRunStatus.CANCELED),
    "delete undriven": (lambda given: given.admin.delete(given.undriven, cancel=True), _undriven, None),
    "pop": (lambda given: given.storage.conversations.edit(TALK, "pop"), _said, [1, 2]),
    "clear": (lambda given: given.storage.conversations.edit(TALK, "clear"), _said, []),
    "pop in a handler": (lambda given: _in_handler(given, "pop"), _said, [1, 2]),
    "clear in a handler": (lambda given: _in_handler(given, "clear"), _said, []),
    "delete a scope": (lambda given: _commit(given, changed(mob_scope(), 1, delete=True)), _head, None),
}
TAKING_ROOM: dict[str, Callable[[Scene], Awaitable[Any]]] = {
    "append": lambda given: given.storage.conversations.edit(TALK, "append", [4]),
    "a row": lambda given: _commit(given, changed(mob_scope(), 1, b"more")),
    "a row and a deletion": lambda given: _commit(
        given, changed(mob_scope(), 1, delete=True), created(mob_scope("other"))
    ),
    "start": lambda given: waiting(given.storage.executions, ONE_STEP),
}


@pytest.mark.parametrize("what", MAKING_ROOM)
async def test_what_makes_room_is_done(own: RefusingServer, given: Scene, what: str) -> None:
    make_room, read, expected = MAKING_ROOM[what]
    assert await read(given) != expected
    with own.refusing(FULL):
        await make_room(given)
        assert await read(given) == expected
    assert await given.storage.records.insert("after", "n", 1)  # and no loss is reported


@pytest.mark.parametrize("what", TAKING_ROOM)
async def test_what_takes_room_is_refused(own: RefusingServer, given: Scene, what: str) -> None:
    with own.refusing(FULL), pytest.raises(WriteFailedError, match="maxmemory"):
        await TAKING_ROOM[what](given)
