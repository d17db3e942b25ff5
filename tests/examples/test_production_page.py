"""The code of docs/production.md does what the page says, and all URLs there and in the README can be read."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from redis_mob import EpochChangedError, MobStorage, OutcomeUnknownError, WriteFailedError
from redis_mob.connection.servers.url import parse_address
from redis_mob.testing.samples.new_events import numbered

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "production.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
URLS = sorted(set(re.findall(r"`((?:redis|unix)[a-z+]*://[^`?]+)", PAGE + README)))
"""Those that name a place: bare schemes name none."""


class EnoughError(Exception):
    """Ends a program that never ends."""


@pytest.fixture(scope="module")
def code() -> dict[str, Any]:
    """What the Python on the page defines, each block after the one before."""
    defined: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        exec(block, defined)  # noqa: S102
    return defined


@pytest.mark.parametrize("url", URLS)
def test_each_url_is_one(url: str) -> None:
    parse_address(url)


async def test_an_event_that_was_appended_was_told(code: dict[str, Any], server_url: str, namespace: str) -> None:
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        assert await code["told"](storage, numbered(1))
        assert await storage.events.latest_cursor() == 1


@pytest.mark.parametrize("executed", [True, False])
async def test_whether_an_event_was_told_is_asked_when_it_is_not_known(code: dict[str, Any], executed: bool) -> None:
    append = _raising(OutcomeUnknownError("the reply was lost", "client:0:1"))
    asked: list[str] = []

    async def resolve(token: str) -> SimpleNamespace:
        asked.append(token)
        return SimpleNamespace(executed=executed)

    storage = SimpleNamespace(events=SimpleNamespace(append=append), resolve=resolve)
    assert await code["told"](storage, numbered(1)) is executed
    assert asked == ["client:0:1"]


async def test_an_event_that_certainly_failed_was_not_told(code: dict[str, Any]) -> None:
    storage = SimpleNamespace(events=SimpleNamespace(append=_raising(WriteFailedError("no server listens"))))
    assert await code["told"](storage, numbered(1)) is False


async def test_what_is_built_from_a_log_is_built_anew_when_the_log_has_lost_events(code: dict[str, Any]) -> None:
    histories = [["one", "two", EpochChangedError("lost")], ["one", "other", EnoughError()]]
    built: list[str] = []

    @asynccontextmanager
    async def subscribe(after: int) -> AsyncGenerator[AsyncIterator[str]]:
        assert after == 0
        yield _told(histories.pop(0))

    async def begin_anew() -> None:
        built.clear()

    with pytest.raises(EnoughError):
        await code["follow"](SimpleNamespace(events=SimpleNamespace(subscribe=subscribe)), begin_anew, built.append)
    assert built == ["one", "other"]


def _raising(error: Exception) -> Callable[..., Awaitable[Any]]:
    async def call(*_: Any) -> Any:
        raise error

    return call


async def _told(history: list[Any]) -> AsyncIterator[str]:
    for event in history:
        if isinstance(event, Exception):
            raise event
        yield event
