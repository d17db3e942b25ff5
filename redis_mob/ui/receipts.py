"""What was answered to each action, so that one that is sent again is not done again.

The answers are config documents of a scope of their own, which all processes of the page share: creating one is how an
action begins, and exactly one process can. One that died with an action under way leaves a receipt without an answer:
then the next one who asks does it. Each action can be done twice without harm, by the key that it hands on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

from pydantic_core import to_json, to_jsonable_python

from redis_mob.errors import AlreadyExistsError, RedisMobError, ValidationError, shown
from redis_mob.storage import MobStorage

SCOPE = "redis_mob.ui"
"""The scope of the documents; the page does not list it."""

_NAMESPACE = "receipts"
_KEPT_DAYS = 2
"""Today's and yesterday's: an answer is the same for a day at least."""
_SWEPT = 50
"""How many receipts are looked at for old ones, with each action."""
_LONGEST_WAIT = 10.0
"""Seconds for which the answer of another process is waited for."""
_PAUSE = 0.05


class Told(NamedTuple):
    """By what an action is known: who sent it, under which key, and what it is."""

    user: str
    key: str
    request: Any

    @property
    def name(self) -> str:
        """What stands for the key of this user: another user may take the same one."""
        return sha256(to_json([self.user, self.key])).hexdigest()[:32]


class Receipts:
    """The answers to the actions of a namespace."""

    def __init__(self, storage: MobStorage) -> None:
        self._documents = storage.config.scoped(SCOPE)
        self.longest_wait = _LONGEST_WAIT

    async def once(self, told: Told, act: Callable[[], Awaitable[Any]]) -> Any:
        """The answer to an action: that of the first call with its key, which alone carries it out.

        Raises ValidationError for a key that another action has, and what `act` raises: then the key may be used again.
        """
        today = datetime.now(UTC).date()
        ids = [f"{today - timedelta(days=ago)} {told.name}" for ago in range(_KEPT_DAYS)]
        request = sha256(to_json(told.request)).hexdigest()
        for id in ids[1:]:
            if (found := await self._documents.lookup(_NAMESPACE, id)) is not None:
                return await self._answer(id, found.value, told.key, request, act)
        receipt = {"request": request}
        try:
            await self._documents.put_if_absent(_NAMESPACE, ids[0], receipt)
        except AlreadyExistsError:
            return await self._answer(ids[0], await self._documents.get(_NAMESPACE, ids[0]), told.key, request, act)
        await self._sweep(str(today - timedelta(days=_KEPT_DAYS - 1)))
        return await self._carried_out(ids[0], receipt, act)

    async def _answer(self, id: str, receipt: Any, key: str, request: str, act: Callable[[], Awaitable[Any]]) -> Any:
        if receipt is None:  # it was refused meanwhile
            return await self._carried_out(id, {"request": request}, act)
        if receipt["request"] != request:
            raise ValidationError(
                f"the Idempotency-Key {shown(key)} belongs to another action: take a new one for each"
            )
        deadline = asyncio.get_running_loop().time() + self.longest_wait
        while "answer" not in receipt and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(_PAUSE)
            receipt = await self._documents.get(_NAMESPACE, id) or {"request": request}
        return receipt["answer"] if "answer" in receipt else await self._carried_out(id, receipt, act)

    async def _carried_out(self, id: str, receipt: dict[str, Any], act: Callable[[], Awaitable[Any]]) -> Any:
        try:
            answer = to_jsonable_python(await act())
        except RedisMobError:
            with suppress(RedisMobError):
                await self._documents.delete(_NAMESPACE, id)
            raise
        await self._documents.put(_NAMESPACE, id, {**receipt, "answer": answer})
        return answer

    async def _sweep(self, first_day: str) -> None:
        for id, _ in await self._documents.list(_NAMESPACE, limit=_SWEPT):
            if id < first_day:
                await self._documents.delete(_NAMESPACE, id)
