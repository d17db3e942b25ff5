"""The metrics of a namespace as a page that Prometheus scrapes, which reads the store once a second at most.

However many scrape it: a reading is told to all. One that takes long is kept for longer, so that the page reads for a
fifth of the time at most (contract: metrics-2).
"""

from __future__ import annotations

import asyncio
import logging

from redis_mob.errors import RedisMobError, shortened
from redis_mob.metrics.families import NamespaceCollector
from redis_mob.metrics.pages import Page, page_of
from redis_mob.metrics.reading import NamespaceReader, NamespaceReading

KEEP_SECONDS = 1.0
"""How long a reading is told again, at least."""

KEPT_TIMES = 4
"""How many times as long as it took a reading is told again, if that is longer."""

READ_SECONDS = 8.0
"""How long a reading may take: Prometheus gives a scrape up after ten seconds, unless it is told otherwise."""

_log = logging.getLogger(__name__)


class NamespacePage:
    """What is told to those that scrape. A namespace that cannot be read is told as `redis_mob_up 0`."""

    def __init__(self, reader: NamespaceReader, name: str) -> None:
        self._reader = reader
        self._name = name
        self._reading: NamespaceReading | None = None
        self.good_until = float("-inf")
        self._turn = asyncio.Lock()
        self.trouble: str | None = None
        """Why the namespace could not be read the last time, if so."""

    async def page(self, accept: str) -> Page:
        """The metrics now, in the form that a header `Accept` asks for."""
        async with self._turn:
            now = asyncio.get_running_loop().time
            if (began := now()) >= self.good_until:
                self._reading = await self._read()
                self.good_until = (ended := now()) + max(KEEP_SECONDS, KEPT_TIMES * (ended - began))
            reading = self._reading
        return page_of(NamespaceCollector(reading), accept)

    async def _read(self) -> NamespaceReading | None:
        try:
            async with asyncio.timeout(READ_SECONDS):
                reading = await self._reader.read()
        except TimeoutError:
            trouble = f"it took longer than {READ_SECONDS:g} s"
        except RedisMobError as error:
            trouble = shortened(error)
        else:
            if self.trouble is not None:
                _log.warning("%s can be read again", self._name)
            self.trouble = None
            return reading
        if self.trouble is None:
            _log.warning("%s cannot be read: %s", self._name, trouble)
        self.trouble = trouble
        return None
