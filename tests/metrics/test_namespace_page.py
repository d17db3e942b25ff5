"""A page is made of one reading for all that scrape it, also while the server is away (contract: metrics-2)."""

from __future__ import annotations

import asyncio
import logging

import pytest

from redis_mob.errors import StorageUnavailableError
from redis_mob.metrics import namespace_page
from redis_mob.metrics.namespace_page import NamespacePage
from redis_mob.metrics.reading import NamespaceReader, NamespaceReading
from redis_mob.storage import MobStorage

UP, DOWN = b"redis_mob_up 1.0\n", b"redis_mob_up 0.0\n"


class Reader(NamespaceReader):
    """Counts its readings, and says what it is told to."""

    def __init__(self, reading: NamespaceReading) -> None:
        self.readings = 0
        self.trouble: Exception | None = None
        self.pause = 0.0
        self._reading = reading

    async def read(self) -> NamespaceReading:
        self.readings += 1
        await asyncio.sleep(self.pause)
        if self.trouble is not None:
            raise self.trouble
        return self._reading


@pytest.fixture
async def reader(namespace: str) -> Reader:
    async with MobStorage.open("memory:", namespace=namespace) as storage:
        return Reader(await NamespaceReader(storage).read())


@pytest.fixture
def page(reader: Reader) -> NamespacePage:
    return NamespacePage(reader, "namespace 'n'")


def forget(page: NamespacePage) -> None:
    """Let the time be over for which a reading is kept."""
    page.good_until = float("-inf")


async def text(page: NamespacePage) -> bytes:
    return (await page.page("")).text


async def test_many_that_scrape_cost_one_reading(reader: Reader, page: NamespacePage) -> None:
    pages = await asyncio.gather(*(text(page) for _ in range(50)))
    assert reader.readings == 1
    assert len(set(pages)) == 1
    assert UP in pages[0]
    forget(page)
    await text(page)
    assert reader.readings == 2


async def test_a_reading_that_takes_long_is_kept_for_longer(
    reader: Reader, page: NamespacePage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(namespace_page, "KEEP_SECONDS", 0.0)
    reader.pause = 0.05
    await text(page)
    assert page.good_until - asyncio.get_running_loop().time() > 0.05
    await text(page)
    assert reader.readings == 1


async def test_a_namespace_that_cannot_be_read_is_told_and_logged_once(
    reader: Reader, page: NamespacePage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    reader.trouble = StorageUnavailableError("no server at x")
    for _ in range(3):
        forget(page)
        found = await text(page)
        assert DOWN in found
        assert b"redis_mob_run_count" not in found
    assert page.trouble == "no server at x"
    reader.trouble = None
    forget(page)
    assert UP in await text(page)
    assert page.trouble is None
    assert [record.getMessage() for record in caplog.records] == [
        "namespace 'n' cannot be read: no server at x",
        "namespace 'n' can be read again",
    ]


async def test_a_reading_that_does_not_end_is_given_up(
    reader: Reader, page: NamespacePage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(namespace_page, "READ_SECONDS", 0.01)
    reader.pause = 3600
    assert DOWN in await text(page)
    assert page.trouble == "it took longer than 0.01 s"


async def test_a_client_gets_the_format_that_it_asks_for(page: NamespacePage) -> None:
    plain = await page.page("*/*")
    assert plain.content_type.startswith("text/plain; version=0.0.4")
    open_metrics = await page.page("application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3")
    assert open_metrics.content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert open_metrics.text.endswith(b"# EOF\n")
    assert not plain.text.endswith(b"# EOF\n")
