"""Asks on Redis: each method encodes, calls one script, and reads its reply."""

from __future__ import annotations

from collections.abc import Sequence

from redis_mob.codec import asks as codec
from redis_mob.codec.arguments import integer, optional_instance, text
from redis_mob.codec.executions import due_run
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.replies import Reply
from redis_mob.contracts import AskStore
from redis_mob.errors import NotFoundError
from redis_mob.models.ask import Answer, AskPlace, PendingAsk
from redis_mob.models.checkpoint import MOST_CHECKPOINTS
from redis_mob.stores.readable import readable

_PAGE = 500
"""How many places one script reads."""

_GONE = -5
"""The reply of lua/asks/answer for an ask that is not pending."""


@readable
class RedisAskStore(AskStore):
    """The contract's `AskStore` on Redis; its docstrings say what holds."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def pending(self, *, after: AskPlace | None = None, limit: int = 100) -> Sequence[AskPlace]:
        begin = optional_instance("after", after, AskPlace)
        last = b"" if begin is None else codec.encode_place(begin)
        most, found = max(integer("limit", limit), 0), list[AskPlace]()
        while len(found) < most:
            size = min(_PAGE, most - len(found))
            page = await self._client.read("asks/pending", [self._keys.meta, self._keys.asks], [last, size])
            found += map(codec.decode_place, map(bytes, page))
            if len(page) < size:
                break
            last = bytes(page[-1])
        return found

    async def answer(self, run_id: str, ask_id: str, answer: Answer, *, pending: PendingAsk | None) -> bool:
        keys, named = self._keys.run(run_id), text("ask_id", ask_id)
        identity, known = codec.identity_of_answer(answer), optional_instance("pending", pending, PendingAsk)
        given = None if known is None else codec.encode_answer(keys.run_id, named, answer, known)
        reply = await self._client.call(
            "asks/answer",
            [
                keys.run,
                keys.index,
                keys.executions,
                self._keys.meta,
                self._keys.due,
                self._keys.wake_runs,
                self._keys.asks,
            ],
            [
                due_run(keys.run_id),
                codec.receipt_of_answer(named),
                identity,
                *((b"", b"", b"", b"") if given is None else (given.place, given.field, given.record, given.signal)),
                MOST_CHECKPOINTS,
            ],
        )
        match reply:
            case Reply.WON | Reply.EXISTS:
                return reply == Reply.WON
            case Reply.NOT_FOUND:
                raise NotFoundError.of_run(run_id, self._keys.namespace)
            case Reply.CONFLICT:
                raise codec.answered_otherwise(run_id, ask_id)
            case Reply.LOST:
                raise codec.asks_no_more(run_id, ask_id)
            case _:
                raise codec.not_pending(run_id, ask_id) if reply == _GONE else codec.no_room_for_answer(run_id, ask_id)

    async def forget(self, run_id: str, places: Sequence[AskPlace]) -> bool:
        keys = self._keys.run(run_id)
        gone = codec.encode_places(keys.run_id, places)
        keys_of_call = [keys.run, keys.index, self._keys.meta, self._keys.asks]
        return await self._client.call("asks/forget", keys_of_call, {"places": gone}) == Reply.WON
