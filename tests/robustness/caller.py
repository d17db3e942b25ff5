"""A client of the stores that settles what it does not know: it asks, and goes on where its call was interrupted."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, cast

from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.evalsha import Arguments, KeyNames
from redis_mob.connection.calls.headers import NamedArguments
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.scripts import Script
from redis_mob.errors import OutcomeUnknownError, ReadFailedError, WriteFailedError
from redis_mob.security.sealing import Secrets
from redis_mob.stores.storage import RedisStorage
from tests.differential.said import outcome
from tests.robustness.report import BrokenError

Call: TypeAlias = Callable[[Any], Awaitable[Any]]
"""Something that is done with the stores of a storage."""

PATIENCE = 180.0
"""Seconds after which a call is not going to end."""

ASKED = 100
"""How often it is asked for an outcome before it is not going to be known."""

PAUSE = 0.01
"""Seconds between a failure and the next attempt."""


class Tape:
    """What the stores take for their connection: remembers every reply, and gives it again from the beginning."""

    def __init__(self, connection: Client) -> None:
        self._connection = connection
        self.resolve = connection.resolve
        self.close_first = connection.close_first
        self.router = connection.router
        self.url = connection.url
        self.has_namespace, self.payloads = connection.has_namespace, connection.payloads
        self.replies: list[Any] = []
        self._position = 0

    def begin(self) -> None:
        """Forget everything: another call begins."""
        self.replies.clear()

    def rewind(self) -> None:
        """The same call begins again."""
        self._position = 0

    async def call(self, script: Script | str, keys: KeyNames, args: Arguments | NamedArguments = ()) -> Any:
        return await self._next(lambda: self._connection.call(script, keys, args))

    async def read(self, script: Script | str, keys: KeyNames, args: Arguments | NamedArguments = ()) -> Any:
        return await self._next(lambda: self._connection.read(script, keys, args))

    async def _next(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        if self._position == len(self.replies):
            self.replies.append(await ask())
        self._position += 1
        return self.replies[self._position - 1]


class Caller:
    """Makes one call after the other, and learns the outcome of each; counts what it did not know at once."""

    def __init__(self, connection: Client, keys: Keys, secrets: Secrets) -> None:
        self._connection = connection
        self._tape = Tape(connection)
        self._stores = RedisStorage(cast("Client", self._tape), keys, secrets)
        self.learned: Counter[str] = Counter()

    async def answer(self, call: Call) -> Any:
        """The result of a call, or the error that it was refused with; it happened once, however often that took."""
        self._tape.begin()
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    answer = await self._attempt(call)
                    if not isinstance(answer, WriteFailedError | ReadFailedError):
                        return answer
                    self.learned["failed, and done again"] += 1
                    await asyncio.sleep(PAUSE)
        except TimeoutError as error:
            raise BrokenError(f"a call did not end within {PATIENCE:g} s; until then: {self._tape.replies}") from error

    async def _attempt(self, call: Call) -> Any:
        """The answer of a call that goes on from where it is known to be."""
        while True:
            self._tape.rewind()
            try:
                return await outcome(call(self._stores))
            except OutcomeUnknownError as error:
                await self._learn(error.token)

    async def _learn(self, token: str) -> None:
        """Ask until it is known whether an interrupted call happened; if it did, go on with its reply."""
        self.learned["unknown"] += 1
        for _ in range(ASKED):
            try:
                known = await self._connection.resolve(token)
            except OutcomeUnknownError:
                self.learned["asked again"] += 1
                await asyncio.sleep(PAUSE)
                continue
            if known.executed:
                self._tape.replies.append(known.reply)
            self.learned["unknown: executed" if known.executed else "unknown: not executed"] += 1
            return
        raise BrokenError(f"the outcome of call {token} cannot be learned")
