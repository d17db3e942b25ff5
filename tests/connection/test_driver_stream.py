"""What redis-py keeps private is touched in one module, and is where that module looks for it."""

# It looks at what the driver keeps private.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import AsyncIterator, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from redis.asyncio.connection import AbstractConnection

import redis_mob
from redis_mob.connection.servers import driver_stream
from redis_mob.connection.servers.address import UnixAddress
from redis_mob.connection.servers.driver_stream import stream_of, take_stream
from redis_mob.connection.servers.handshake import new_connection
from redis_mob.connection.servers.url import parse_address

PACKAGE = Path(redis_mob.__file__).parent
MODULES = [file for file in sorted(PACKAGE.rglob("*.py")) if file != Path(driver_stream.__file__)]


@pytest.fixture
async def connection(server_url: str) -> AsyncIterator[AbstractConnection]:
    """A connection of the driver's that is not open yet."""
    address = parse_address(server_url)
    assert isinstance(address, UnixAddress)
    made = new_connection(address, 10)
    yield made
    await made.disconnect()


async def test_the_stream_is_where_this_release_of_redis_py_keeps_it(connection: AbstractConnection) -> None:
    moved = f"redis-py {version('redis')} keeps its stream elsewhere: look for it, and change {driver_stream.__name__}"
    assert hasattr(connection, "_reader"), moved
    assert hasattr(connection, "_writer"), moved
    assert stream_of(connection) is None, moved
    await connection.connect()
    assert hasattr(stream_of(connection), "transport"), moved


async def test_what_was_taken_works_on_and_the_driver_takes_it_for_closed(connection: AbstractConnection) -> None:
    await connection.connect()
    reader = connection._reader
    assert reader is not None
    stream = take_stream(connection)
    assert (connection.is_connected, stream_of(connection)) == (False, None)
    await connection.disconnect()
    stream.write(b"PING\r\n")
    assert await reader.readline() == b"+PONG\r\n"
    stream.close()
    await stream.wait_closed()


async def test_a_connection_that_is_not_open_has_nothing_to_take(connection: AbstractConnection) -> None:
    with pytest.raises(ValueError, match="not open"):
        take_stream(connection)


@pytest.mark.parametrize("file", MODULES, ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_no_other_module_touches_what_is_private(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert "reportPrivateUsage" not in text
    if "redis." in text:
        assert not list(inherited_and_private(file))


def inherited_and_private(file: Path) -> Iterator[str]:
    """What subclasses of the driver's connections use of its private attributes: no type checker minds that."""
    name = ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for kind in vars(importlib.import_module(name)).values():
        if inspect.isclass(kind) and kind.__module__ == name and issubclass(kind, AbstractConnection):
            bases = [base for base in kind.__mro__ if base.__module__.startswith("redis.")]
            of_driver = {attribute for base in bases for attribute in private_in(base)}
            yield from sorted(of_driver & private_in(kind))


def private_in(kind: type) -> set[str]:
    return set(re.findall(r"\bself\.(_[a-z]\w*)", inspect.getsource(kind)))
