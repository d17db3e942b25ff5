"""What a program reads and writes: a file for its input, and pipes whose readers bound what they keep.

The pipes are ours and not those of asyncio's subprocesses: with these, waiting for a program also waits until all of
its pipes are closed, which processes that it has left behind may hold open for ever.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

_CHUNK = 64 * 1024

_ROUND_SECONDS = 0.1

_MOST_ROUNDS = 20
"""How often something may have come since, in two seconds: in each a pipe is read empty at least once."""


class OutputPipe(NamedTuple):
    """A pipe that a program writes to; its write end has to be closed here once the program has it."""

    reader: asyncio.StreamReader
    write_end: BinaryIO


@asynccontextmanager
async def pipe_for_output() -> AsyncGenerator[OutputPipe]:
    """A pipe, both ends of which are closed when the block ends."""
    reader = asyncio.StreamReader()
    read_number, write_number = os.pipe()
    with os.fdopen(write_number, "wb", buffering=0) as write_end:
        read_end = os.fdopen(read_number, "rb", buffering=0)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), read_end
        )
        try:
            yield OutputPipe(reader, write_end)
        finally:
            transport.close()


@contextmanager
def input_file(data: bytes) -> Generator[BinaryIO]:
    """A file without a name that holds the data, from its beginning: a program need not read it to its end."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        yield file


@dataclass(slots=True)
class Kept:
    """What is kept of all that came, and how much that was."""

    data: bytearray = field(default_factory=bytearray)
    came: int = 0


async def keep_first(stream: asyncio.StreamReader, most: int, kept: Kept) -> None:
    """Keep what comes, up to its end, or until that is more than so many bytes; what comes after these is not read."""
    while kept.came <= most and (chunk := await stream.read(_CHUNK)):
        kept.data += chunk
        kept.came += len(chunk)


async def keep_last(stream: asyncio.StreamReader, most: int, kept: Kept) -> None:
    """Keep the last bytes of all that comes."""
    while chunk := await stream.read(_CHUNK):
        kept.data += chunk
        kept.came += len(chunk)
        del kept.data[:-most]


async def emptied(reading: Mapping[asyncio.Task[None], Kept]) -> None:
    """Wait until these tasks have read what was written before; processes may hold the pipes open, and write on.

    When nothing has come for a tenth of a second the pipes are empty, also in an event loop that was blocked: what is
    there is read before a timer ends.
    """
    for _ in range(_MOST_ROUNDS):
        before = [kept.came for kept in reading.values()]
        _, unfinished = await asyncio.wait(reading, timeout=_ROUND_SECONDS)
        if not unfinished or before == [kept.came for kept in reading.values()]:
            return
