"""What a server sends is bounded before it is parsed, and a text that looks like a header stays a text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hiredis
import pytest

from redis_mob.connection.retry import RetryPolicy
from redis_mob.connection.servers.reply_reader import MAX_ELEMENTS, NoReplyError, ReplyReader
from redis_mob.errors import StorageUnavailableError
from redis_mob.storage import MobStorage
from tests.support.fake_server import bulk, fake_server

LOOKS_LONG = b"a\r\n*2147483647\r\n%99999999\r\n"


def parsed(*pieces: bytes) -> list[Any]:
    replies: list[Any] = []
    reader = ReplyReader()
    for piece in pieces:
        reader.take(piece, replies.append)
    return replies


@pytest.mark.parametrize("kind", list(b"*%~>|"))
@pytest.mark.parametrize("before", [b"", b"+OK\r\n", b"*2\r\n$1\r\na\r\n", b"*1\r\n*3\r\n:1\r\n+a\r\n"])
def test_a_list_that_is_announced_too_long_is_not_begun(kind: int, before: bytes) -> None:
    said = before + b"%c%d\r\n" % (kind, MAX_ELEMENTS + 1)
    with pytest.raises(NoReplyError, match="a reply announces lists of more than 10,000,000 elements"):
        parsed(said)
    with pytest.raises(NoReplyError, match="a reply announces lists of more than 10,000,000 elements"):
        parsed(*(said[at : at + 1] for at in range(len(said))))


def test_what_lists_within_lists_announce_is_added_up_for_each_reply() -> None:
    half = b"*%d\r\n" % (MAX_ELEMENTS // 2)
    assert parsed(half, half) == []
    with pytest.raises(NoReplyError, match="announces lists of more"):
        parsed(half * 2, b"*10000\r\n")
    for reply in parsed((b"*10000\r\n" + b":1\r\n" * 10_000) * 3, (b"*10000\r\n" + b":1\r\n" * 10_000) * 3):
        assert reply == [1] * 10_000


@pytest.mark.parametrize("size", [1, 2, 3, 5, 11, 1000])
def test_a_text_that_looks_like_such_a_header_is_a_text(size: int) -> None:
    said = b"*3\r\n" + bulk(LOOKS_LONG) + b"*1\r\n" + bulk(b"*" * 9) + b"+*123456789\r\n" + b"-E *123456789\r\n"
    [reply, refusal] = parsed(*(said[at : at + size] for at in range(0, len(said), size)))
    assert reply == [LOOKS_LONG, [b"*" * 9], b"*123456789"]
    assert isinstance(refusal, hiredis.ReplyError)


@pytest.mark.parametrize("said", [b"%1\r\n*0\r\n:1\r\n", b"?\r\n", b"*1\r\n" * 2000, b"$-2\r\n"])
def test_what_is_no_reply_is_told(said: bytes) -> None:
    with pytest.raises(NoReplyError, match="does not speak the protocol"):
        parsed(said)


@pytest.mark.parametrize("said", [b"*2147483647\r\n", b"+O*2147483647\r\n", b"%1\r\n*0\r\n:1\r\n", b"*1\r\n" * 2000])
async def test_a_handshake_is_bounded_too(tmp_path: Path, said: bytes) -> None:
    async with fake_server(tmp_path, lambda _: said) as url:
        with pytest.raises(StorageUnavailableError, match="does not speak the protocol"):
            await MobStorage.open(url)


@pytest.mark.parametrize("at", range(2))
async def test_a_storage_is_bounded_while_it_opens(tmp_path: Path, at: int) -> None:
    """Its first calls go over a connection that the driver knows nothing of."""
    seen: list[list[bytes]] = []

    def answer(command: list[bytes]) -> bytes:
        if command[0] == b"PING":
            return b"+PONG\r\n"
        seen.append(command)
        return b"*2147483647\r\n" if len(seen) > at else bulk(b"redis_version:7.2.4\r\nredis_mode:standalone\r\n")

    async with fake_server(tmp_path, answer) as url:
        with pytest.raises(StorageUnavailableError, match="announces lists"):
            await MobStorage.open(url, retry=RetryPolicy(deadline=0.2))
