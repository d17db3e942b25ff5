"""What is stored, changed behind the back of the library; and scripts as another client of like rights calls them."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.calls.scripts import library, once
from redis_mob.connection.failures import ReplyLostError, ServerRefusalError
from redis_mob.connection.servers.channel import Channel
from redis_mob.connection.servers.requests import Part
from redis_mob.errors import RedisMobError
from redis_mob.storage import MobStorage
from tests.attacks.filled import Filled, all_steps, contents_of, make_filled, open_filled, restore
from tests.attacks.full_namespace import Question, questions
from tests.fuzz.choices import Choices
from tests.fuzz.mutations import NUMBERS, mutated
from tests.fuzz.running import Run
from tests.support.servers import server

ASKED_AT_ONCE = 6


@contextmanager
def stored() -> Generator[Run]:
    """One value of one key is changed: questions end by typed errors, and a flow state is one that was stored."""
    with server() as url, asyncio.Runner() as runner:
        filled = runner.run(make_filled(url))
        connection = runner.run(_connected(url))
        asked: list[Question] = [ask for name, ask in questions(filled.there).items() if name != "subscribe"]
        runner.run(restore(connection, filled))
        whole = runner.run(_state_of(url, filled))
        storage: MobStorage | None = None

        async def run(data: bytes) -> str:
            nonlocal storage
            choices = Choices(data)
            name = choices.one_of(sorted(filled.dumps))
            await _change(connection, name, choices)
            ends: set[str] = set()
            try:
                async with asyncio.timeout(60):
                    here: MobStorage = storage or await open_filled(url, filled.keys)
                    storage = here
                    for ask in (choices.one_of(asked) for _ in range(ASKED_AT_ONCE)):
                        ends.add(await _ending(ask, here))
                    ends.add(await _ending(lambda s: _assert_state(s, filled, whole), here))
            except RedisMobError as error:
                ends.add(type(error).__name__)
            finally:
                await restore(connection, filled)
                if storage is not None and name.endswith(":meta"):
                    await storage.aclose()
                    storage = None
            return ", ".join(sorted(ends - {"answered"})) or "answered"

        try:
            yield lambda data: runner.run(run(data))
        finally:
            if storage is not None:
                runner.run(storage.aclose())
            runner.run(connection.aclose())


async def _connected(url: str) -> Client:
    return await connect(url)


async def _ending(ask: Question, storage: MobStorage) -> str:
    try:
        await ask(storage)
    except RedisMobError as error:
        str(error)
        return type(error).__name__
    return "answered"


async def _state_of(url: str, filled: Filled) -> Any:
    async with open_filled(url, filled.keys) as storage:
        found = await storage.runs.get_run(filled.there.stored.run_id)
        return found.flow_state


async def _assert_state(storage: MobStorage, filled: Filled, whole: Any) -> None:
    found = await storage.runs.get_run(filled.there.stored.run_id)
    assert found is None or found.flow_state == whole, "a flow state that was never stored, and has a digest"


async def _change(connection: Client, name: str, choices: Choices) -> None:
    request = connection.router.request
    kind = await request("TYPE", name)
    if choices.number(32) == 0:
        kind, _ = b"other", await request("DEL", name)
    match kind:
        case b"hash":
            flat: list[bytes] = await request("HGETALL", name)
            at = choices.number(len(flat) // 2) * 2
            if choices.number(8):
                await request("HSET", name, flat[at], _value(flat[at + 1], choices))
            else:
                await request("HSET", name, mutated(flat[at], choices), flat[at + 1])
        case b"list":
            items: list[bytes] = await request("LRANGE", name, 0, -1)
            at = choices.number(len(items))
            await request("LSET", name, at, _value(items[at], choices))
        case b"zset":
            members: list[bytes] = await request("ZRANGE", name, 0, -1, "WITHSCORES")
            at = choices.number(len(members) // 2) * 2
            score = choices.one_of((members[at + 1], b"-1", b"inf", b"-inf", b"1e300", b"0.5", b"9007199254740993"))
            await request("ZADD", name, score, mutated(members[at], choices) if choices.number(2) else members[at])
        case b"set":
            await request("SADD", name, choices.some() or b"x")
        case b"stream":
            await request("XADD", name, "*", choices.some() or b"f", choices.some())
        case _:
            await request("SET", name, choices.some())


def _value(value: bytes, choices: Choices) -> bytes:
    match choices.number(4):
        case 0:
            return choices.rest()
        case 1:
            return str(choices.one_of(NUMBERS)).encode()[:400]
        case _:
            return mutated(value, choices)


Call = tuple[Part, ...]


@contextmanager
def scripts() -> Generator[Run]:
    """Each script with other keys and arguments than the library gives it: an error leaves everything as it was."""
    with server() as url, asyncio.Runner() as runner:
        filled, calls = runner.run(_recorded(url))
        connection = runner.run(_connected(url))
        before = runner.run(contents_of(connection, filled.keys))
        names = sorted(filled.dumps)
        new = (filled.keys.meta.removesuffix("meta") + "session:fuzz", before[filled.keys.meta][b"epoch"])

        async def run(data: bytes) -> str:
            choices = Choices(data)
            call = _other_call(choices.one_of(calls), names, new, choices)
            await connection.router.request("DEL", new[0])
            try:
                await connection.router.request(*call)
            except ReplyLostError:
                # a client that may load scripts can write such a loop itself: SECURITY.md, availability
                async with asyncio.timeout(30):
                    other = await connect(url)
                    await other.router.request("SCRIPT", "KILL")
                    await other.aclose()
                await restore(connection, filled)
                return "a loop that was ended"
            except ServerRefusalError as error:
                after = await contents_of(connection, filled.keys)
                if error.code == "EPOCH":  # which may give the namespace a new one
                    await restore(connection, filled)
                    return "error EPOCH"
                if after != before:
                    await restore(connection, filled)
                    wrote = {name: _difference(before.get(name), after.get(name)) for name in {*before, *after}}
                    told = {name: what for name, what in wrote.items() if what is not None}
                    raise AssertionError(f"{NAMES[_text(call[1])]} ended by {error} after it wrote: {told}") from None
                return f"error {error.code}"
            await restore(connection, filled)
            return "replied"

        try:
            yield lambda data: runner.run(run(data))
        finally:
            runner.run(connection.aclose())


NAMES: dict[str, str] = {
    sha: name for name in library().names() for sha in (library().script(name).sha, once(library().script(name)).sha)
}


def _difference(before: Any, after: Any) -> Any:
    if before == after:
        return None
    if isinstance(before, dict) and isinstance(after, dict):
        was, now = cast("dict[bytes, bytes]", before), cast("dict[bytes, bytes]", after)
        return {field: (was.get(field), now.get(field)) for field in {*was, *now} if was.get(field) != now.get(field)}
    return "it has other items"


def _text(part: Part) -> str:
    return part.decode() if isinstance(part, bytes) else str(part)


async def _recorded(url: str) -> tuple[Filled, list[Call]]:
    """A full namespace, and the calls of scripts that filled it and asked it, one of each form."""
    seen: dict[tuple[Any, ...], Call] = {}
    request = Channel.request

    async def record(self: Channel, *parts: Part, **options: Any) -> Any:
        if str(_text(parts[0])).startswith("EVALSHA"):
            seen.setdefault((parts[1], parts[2], len(parts)), parts)
        return await request(self, *parts, **options)

    Channel.request = record
    try:
        filled = await make_filled(url)
        connection = await connect(url)
        try:
            async with open_filled(url, filled.keys) as storage:
                for step in all_steps(filled.there):
                    for ask in step.values():
                        await _ending(ask, storage)
            await restore(connection, filled)
        finally:
            await connection.aclose()
    finally:
        Channel.request = request
    return filled, [seen[form] for form in sorted(seen, key=repr)]


def _other_call(call: Call, names: list[str], new: tuple[str, bytes], choices: Choices) -> Call:
    """The call with other keys and arguments; in a session of its own, so that it is not answered as one before."""
    command, sha, count, *rest = call
    keys, arguments = rest[: int(_text(count))], rest[int(_text(count)) :]
    of_session: list[Part] = []
    if command == b"EVALSHA" and choices.number(16):
        session, epoch = new
        keys, arguments = [*keys[:-1], session], arguments[:-5]
        of_session = [b"1", b"1", b"0:0", epoch, b""]
    for _ in range(choices.number(3)):
        at = choices.number(max(len(keys) - 2, 1))
        if len(keys) > 2 and not _text(keys[at]).endswith(":meta"):  # which the session has looked at already
            keys[at] = choices.one_of(names)
    for _ in range(1 + choices.number(4)):
        if not arguments:
            break
        at = choices.number(len(arguments))
        part = arguments[at]
        given = part if isinstance(part, bytes) else str(part).encode()
        match choices.number(8):
            case 0:
                del arguments[at]
            case 1:
                arguments.insert(at, choices.some())
            case 2:
                arguments[at] = arguments[choices.number(len(arguments))]
            case 3:
                arguments[at] = str(choices.one_of(NUMBERS)).encode()[:400]
            case 4:
                arguments[at] = choices.some()
            case _:
                arguments[at] = mutated(given, choices)
    if choices.number(32) == 0 and command != b"EVALSHA":
        keys = keys[: choices.number(len(keys) + 1)]
    return (command, sha, len(keys), *keys, *arguments, *of_session)
