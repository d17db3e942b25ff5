"""What a server says: its bytes as they come, and its replies to real calls of the library."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import hiredis

from redis_mob.connection.retry import RetryPolicy
from redis_mob.connection.servers.reply_reader import NoReplyError, ReplyReader
from redis_mob.errors import EpochChangedError, RedisMobError
from redis_mob.storage import MobStorage
from tests.attacks.filled import KEY, make_filled
from tests.attacks.full_namespace import Question, questions
from tests.fuzz.choices import Choices
from tests.fuzz.mutations import mutated
from tests.fuzz.running import Run
from tests.support.servers import server

HEADERS = tuple(
    line.encode("latin-1").replace(b"|", b"\r\n") + b"\r\n"
    for line in (
        *(
            "*2147483647",
            "*10000000",
            "$1000000000000",
            "%99999999",
            "~5",
            ">3",
            "*-1",
            "$-1",
            "*0",
            "$0|",
            "+OK",
            "-ERR no",
        ),
        *(
            ":1",
            ":99999999999999999999",
            "_",
            "#t",
            ",nan",
            "(1",
            "=5|txt:a",
            "*3",
            "*1",
            "$3|abc",
            "$9|*99999999",
            "-",
            "- \xff",
        ),
        *(
            "-MOVED 1 host:1",
            "-ASK 1 h:1",
            "-NOSCRIPT x",
            "-LOADING x",
            "-READONLY x",
            "-NOAUTH",
            "-TRYAGAIN",
            "-BUSY x",
        ),
        *("-WRONGTYPE x", "-OOM x", "-MOVED", "-MOVED x y", "*2|:1"),
    )
)
"""Headers and replies of every kind, and refusals that mean something."""


def said(choices: Choices) -> bytes:
    """Something like replies."""
    parts = [choices.one_of(HEADERS) for _ in range(1 + choices.number(6))]
    return mutated(b"".join(parts), choices) if choices.number(2) else b"".join(parts)


@contextmanager
def wire() -> Generator[Run]:
    """What the reader makes of bytes does not depend on how they are cut."""

    def run(data: bytes) -> str:
        choices = Choices(data)
        size = 1 + choices.number(16)
        received = said(choices) + choices.some()
        whole, cut = _read([received]), _read([received[at : at + size] for at in range(0, len(received), size)])
        assert repr(whole) == repr(cut), "it depends on how the bytes come"
        return "no reply" if whole[-1:] == ["no reply"] else f"replies: {min(len(whole), 3)}"

    yield run


def _read(pieces: list[bytes]) -> list[Any]:
    reader, replies = ReplyReader(), list[Any]()
    try:
        for piece in pieces:
            reader.take(piece, replies.append)
    except NoReplyError:
        return [*replies, "no reply"]
    return replies


class Liar:
    """A server between the client and a real one, that says something else once, when it is told to."""

    def __init__(self, upstream: Path) -> None:
        self._upstream = upstream
        self._lie: Choices | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self, path: Path) -> AsyncGenerator[str]:
        serving = await asyncio.start_unix_server(self._serve, path)
        try:
            yield f"unix://{path}"
        finally:
            serving.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def lie(self, choices: Choices | None) -> None:
        self._lie = choices

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        upstream_reader, upstream = await asyncio.open_unix_connection(self._upstream)
        requests = asyncio.create_task(_copy(reader, upstream))
        try:
            with suppress(ConnectionError):
                while data := await upstream_reader.read(65536):
                    lie, self._lie = self._lie, None
                    if lie is None:
                        writer.write(data)
                        continue
                    match lie.number(3):
                        case 0:
                            data = said(lie)
                        case 1:
                            data = _another(data, lie)
                        case _:
                            data = mutated(data, lie)
                    writer.write(data)
                    if lie.number(8):
                        break  # else what is left out is waited for until the reply is overdue
        finally:
            requests.cancel()
            for one in (writer, upstream):
                one.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, RuntimeError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.close()


def _another(data: bytes, choices: Choices) -> bytes:
    """A reply of the same form with other values."""
    parser = hiredis.Reader()
    parser.feed(data)
    return _spelled(_changed(parser.gets(), choices))


def _changed(reply: Any, choices: Choices) -> Any:
    if isinstance(reply, list) and reply and choices.number(8):
        copy = [*cast("list[Any]", reply)]
        at = choices.number(len(copy))
        copy[at] = _changed(copy[at], choices)
        return copy
    others: list[Any] = [None, 0, -1, 2**63 - 1, b"", b"x", [], [None], [b"", 1], b"\xff" * 9, 7]
    if isinstance(reply, bytes) and choices.number(2):
        return mutated(reply, choices)
    return choices.one_of(others)


def _spelled(reply: Any) -> bytes:
    match reply:
        case None | False:
            return b"$-1\r\n"
        case int():
            return b":%d\r\n" % reply
        case bytes():
            return b"$%d\r\n%s\r\n" % (len(reply), reply)
        case list():
            parts = cast("list[Any]", reply)
            return b"*%d\r\n" % len(parts) + b"".join(map(_spelled, parts))
        case _:
            return b"-%s\r\n" % str(reply).encode()


HASTY = RetryPolicy(deadline=1, base=0.001, cap=0.01, connect_timeout=0.5, reply_timeout=0.2)

UNANSWERED = frozenset(("subscribe", "take_due"))
"""Questions that go on asking, as long as a right answer has not come."""


@contextmanager
def replies() -> Generator[Run]:
    """Each read, and each write that changes nothing, is answered wrongly once."""
    with (
        server() as url,
        tempfile.TemporaryDirectory(prefix="redis-mob-fuzz-") as directory,
        asyncio.Runner() as runner,
    ):
        filled = runner.run(make_filled(url))
        asked: list[Question] = [ask for name, ask in questions(filled.there).items() if name not in UNANSWERED]
        liar = Liar(Path(url.removeprefix("unix://")))
        listening = liar.listening(Path(directory) / "s")
        between = runner.run(listening.__aenter__())
        storage: MobStorage | None = None

        async def opened() -> MobStorage:
            return await MobStorage.open(between, namespace=filled.keys.namespace, seal_key=KEY, retry=HASTY)

        async def asked_once(data: bytes) -> str:
            nonlocal storage
            choices = Choices(data)
            opens = choices.number(16) == 0
            if opens and storage is not None:
                await storage.aclose()
                storage = None
            ask = choices.one_of(asked)
            try:
                if opens:
                    liar.lie(choices)
                async with asyncio.timeout(30):
                    storage = storage or await opened()
                    liar.lie(None if opens else choices)
                    await ask(storage)
            except EpochChangedError:
                assert storage is not None
                await storage.aclose()
                storage = None
                return "EpochChangedError"
            except RedisMobError as error:
                str(error)
                return type(error).__name__
            finally:
                liar.lie(None)
            return "answered"

        try:
            yield lambda data: runner.run(asked_once(data))
        finally:
            if storage is not None:
                runner.run(storage.aclose())
            runner.run(listening.__aexit__(None, None, None))
