"""What a program reads and writes: a file for its input, and pipes whose readers bound what they keep.

The pipes are ours and not those of asyncio's subprocesses: with these, waiting for a program also waits until all of
its pipes are closed, which processes that it has left behind may hold open for ever.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import BinaryIO, NamedTuple

_CHUNK = 64 * 1024


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


async def all_of(stream: asyncio.StreamReader, most: int) -> bytes | None:
    """All that comes, None if that is more than so many bytes; what comes after these is not read."""
    kept = bytearray()
    while chunk := await stream.read(_CHUNK):
        kept += chunk
        if len(kept) > most:
            return None
    return bytes(kept)


async def last_of(stream: asyncio.StreamReader, most: int) -> bytes:
    """The last bytes of all that comes."""
    kept = bytearray()
    while chunk := await stream.read(_CHUNK):
        kept += chunk
        del kept[:-most]
    return bytes(kept)
