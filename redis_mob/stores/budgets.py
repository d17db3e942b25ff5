"""Budgets on Redis: each method encodes, calls one script, and reads its reply."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from redis_mob.codec import budgets as codec
from redis_mob.codec import model_usage
from redis_mob.codec.arguments import flag
from redis_mob.codec.hashes import as_mapping
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.replies import Reply
from redis_mob.contracts import BudgetStore, WakeUp
from redis_mob.errors import CasConflictError
from redis_mob.models.budget import (
    Account,
    Bounds,
    BudgetDecision,
    BudgetScope,
    BudgetVerdict,
    OnExceeded,
    Reservation,
    Settlement,
)
from redis_mob.models.model_usage import ModelUsageTotal
from redis_mob.notifications.wakeups import WakeUps
from redis_mob.stores.readable import readable

_READ = 500
"""About how many records one script reads."""

_VERDICTS = {
    1: BudgetVerdict.GO,
    2: BudgetVerdict.WAIT,
    3: BudgetVerdict.EXCEEDED,
    4: BudgetVerdict.UNPRICED,
    5: BudgetVerdict.CURRENCY,
}
"""What lua/budgets/reserve replies."""


@readable
class RedisBudgetStore(BudgetStore):
    """The contract's `BudgetStore` on Redis; its docstrings say what holds."""

    def __init__(self, client: Client, keys: Keys, wake_ups: WakeUps) -> None:
        self._client = client
        self._keys = keys
        self._wake_ups = wake_ups

    async def reserve(self, call: Reservation, declared: Mapping[BudgetScope, Account]) -> BudgetDecision:
        name, scopes = codec.reservation_field(call), codec.checked_scopes(call.scopes)
        arguments = {
            "name": name,
            "scopes": codec.encode_scopes(call),
            "spent": codec.numbers_of("spent", call.spent),
            "estimate": codec.numbers_of("estimate", call.estimate),
            "unpriced": int(flag("is_unpriced", call.is_unpriced)),
            "currency": codec.encode_currency(call.currency),
            "wanted": self._wanted(scopes, declared),
        }
        keys = [self._keys.meta, self._keys.budgets, self._keys.reservations, *self._places(scopes)]
        reply = await self._client.call("budgets/reserve", keys, arguments)
        verdict = _VERDICTS[reply[0]]
        if verdict is BudgetVerdict.GO:
            return BudgetDecision(verdict)
        scope = scopes[int(reply[1]) - 1]
        return BudgetDecision(verdict, scope, codec.decode_account(scope, bytes(reply[2])))

    async def settle(
        self,
        call: Reservation,
        settlement: Settlement,
        declared: Mapping[BudgetScope, Account],
        *,
        was_reserved: bool,
        is_lost: bool = False,
    ) -> bool:
        name, checked = codec.reservation_field(call), codec.checked_settlement(settlement, is_lost)
        scopes = codec.checked_scopes(call.scopes)
        arguments = {
            "name": name if flag("was_reserved", was_reserved) else b"",
            "used": codec.numbers_of("used", checked.used),
            "estimated": int(flag("is_estimated", checked.is_estimated)),
            "unpriced": checked.unpriced_tokens,
            "currency": codec.encode_currency(checked.currency),
            "wanted": self._wanted(scopes, declared),
            "total": model_usage.usage_field(checked),
            "more": model_usage.usage_numbers(checked),
            "lost": int(is_lost),
            "lost_total": model_usage.usage_field(lost := codec.settlement_of_lost(call, checked.by)),
            "lost_more": model_usage.usage_numbers(lost),
        }
        keys = self._keys
        fixed = [keys.meta, keys.budgets, keys.reservations, keys.model_usage, keys.wake_budgets]
        changed = [*fixed, *self._places(scopes)]
        return await self._client.call("budgets/settle", changed, arguments) == Reply.WON

    async def set_bounds(
        self,
        scope: BudgetScope,
        bounds: Bounds,
        declared: Account,
        *,
        on_exceeded: OnExceeded,
        currency: str | None,
    ) -> Account | None:
        [checked] = codec.checked_scopes([scope])
        arguments = {
            "bounds": codec.bounds_of(bounds),
            "policy": codec.letter_of(on_exceeded),
            "currency": codec.encode_currency(currency),
            "wanted": self._wanted([checked], {checked: declared}),
        }
        keys = [self._keys.meta, self._keys.budgets, self._keys.wake_budgets, *self._places([checked])]
        record = await self._client.call("budgets/set_bounds", keys, arguments)
        return None if record is None else codec.decode_account(checked, bytes(record))

    async def accounts(self, scopes: Sequence[BudgetScope]) -> Mapping[BudgetScope, Account]:
        checked = codec.checked_scopes(scopes)
        if not checked:
            return {}
        numbers = _numbers(checked)
        arguments = {
            "numbers": [0 if one.run_id is None else numbers[one.run_id] for one in checked],
            "fields": [codec.account_field(one) for one in checked],
        }
        keys = [self._keys.meta, self._keys.budgets, *self._places(checked)]
        records = await self._client.read("budgets/accounts", keys, arguments)
        found = zip(checked, records, strict=True)
        return {scope: codec.decode_account(scope, bytes(record)) for scope, record in found if record is not None}

    async def reservations(self) -> Sequence[Reservation]:
        stored = await self._whole("budgets/reservations", self._keys.reservations)
        return [codec.decode_reservation(*one) for one in sorted(stored.items())]

    async def shared(self) -> Mapping[BudgetScope, Account]:
        return codec.decode_shared(await self._whole("budgets/shared", self._keys.budgets))

    async def usage(self) -> Sequence[ModelUsageTotal]:
        return model_usage.decode_usage(await self._whole("budgets/usage", self._keys.model_usage))

    async def forget(self, scope: BudgetScope) -> bool:
        field = codec.shared_field(scope)
        reply = await self._client.call("budgets/forget", [self._keys.meta, self._keys.budgets], {"field": field})
        if reply == Reply.CONFLICT:
            raise CasConflictError(codec.is_drawn_on(scope))
        return reply == Reply.WON

    async def reopened(self, scope: BudgetScope) -> bool:
        field = codec.shared_field(scope)
        keys = [self._keys.meta, self._keys.budgets]
        return await self._client.call("budgets/reopened", keys, {"field": field}) == Reply.WON

    def listen(self, scope: BudgetScope) -> AbstractAsyncContextManager[WakeUp]:
        [checked] = codec.checked_scopes([scope])
        place = self._keys.budgets if checked.run_id is None else self._keys.run(checked.run_id).index
        return self._wake_ups.listen(self._keys.wake_budgets, codec.message_of(place, checked).__eq__)

    async def _whole(self, script: str, key: str) -> dict[bytes, bytes]:
        """All of a hash, which a script reads in parts."""
        stored: dict[bytes, bytes] = {}
        cursor = b"0"
        while True:
            part = await self._client.read(script, [self._keys.meta, key], {"cursor": cursor, "about": _READ})
            stored |= as_mapping(part[1])
            if (cursor := bytes(part[0])) == b"0":
                return stored

    def _places(self, scopes: Iterable[BudgetScope]) -> list[str]:
        """The hash and the index of each run that has accounts among these, in the order of `_numbers`."""
        runs = [self._keys.run(run_id) for run_id in _numbers(scopes)]
        return [key for keys in runs for key in (keys.run, keys.index)]

    def _wanted(self, scopes: Sequence[BudgetScope], declared: Mapping[BudgetScope, Account]) -> list[list[Any]]:
        numbers = _numbers(scopes)
        return [
            [
                0 if scope.run_id is None else numbers[scope.run_id],
                codec.account_field(scope),
                codec.encode_account(codec.declared_of(scope, declared)),
            ]
            for scope in scopes
        ]


def _numbers(scopes: Iterable[BudgetScope]) -> dict[str, int]:
    """The runs that have accounts among these, counted from 1."""
    runs = dict.fromkeys(scope.run_id for scope in scopes if scope.run_id is not None)
    return {run_id: number for number, run_id in enumerate(runs, 1)}
