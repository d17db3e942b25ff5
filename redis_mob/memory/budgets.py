"""Budgets in memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager

from redis_mob.codec import budgets as codec
from redis_mob.codec import model_usage
from redis_mob.codec.arguments import flag
from redis_mob.codec.executions import MILLISECOND
from redis_mob.contracts import BudgetStore, WakeUp
from redis_mob.errors import CasConflictError
from redis_mob.memory.namespace import Access
from redis_mob.memory.run_lookup import run_key
from redis_mob.models.budget import (
    MOST,
    NOTHING,
    Account,
    Amounts,
    Bounds,
    BudgetDecision,
    BudgetScope,
    BudgetVerdict,
    OnExceeded,
    Reservation,
    Settlement,
    judged,
    reserved,
    settled,
)
from redis_mob.models.budget_windows import EPOCH, has_refused_before, refused, rolled
from redis_mob.models.model_usage import ModelUsageTotal

KEPT_MS = 10 * 60 * 1000
"""How long it is kept that a call was lost; lua/budgets/settle has the same."""


class MemoryBudgetStore(BudgetStore):
    """The contract's `BudgetStore` in memory; its docstrings say what holds."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def reserve(self, call: Reservation, declared: Mapping[BudgetScope, Account]) -> BudgetDecision:
        content, name, _ = self._access.content, codec.reservation_field(call), codec.encode_reservation(call)
        accounts = self._accounts_of(call, declared)
        codec.numbers_of("spent", call.spent)
        codec.encode_currency(call.currency)
        flag("is_unpriced", call.is_unpriced)
        if name in content.reservations:
            return BudgetDecision(BudgetVerdict.GO)
        verdicts = [(judged(account, call), scope) for scope, account in accounts.items()]
        refusing = [one for one in verdicts if one[0] not in (BudgetVerdict.GO, BudgetVerdict.WAIT)]
        waiting = [one for one in verdicts if one[0] is BudgetVerdict.WAIT]
        for verdict, scope in (*refusing, *waiting):
            if verdict is BudgetVerdict.EXCEEDED and accounts[scope].on_exceeded is OnExceeded.PAUSE:
                accounts[scope] = refused(accounts[scope])
                if accounts[scope].window is not None:
                    self._put(scope, accounts[scope])
            return BudgetDecision(verdict, scope, accounts[scope])
        for scope, account in accounts.items():
            self._put(scope, reserved(account, call))
        if call.estimate != NOTHING:
            # a clock that was set back leaves accounts in windows that have not begun by it
            begun = (account.window.since_ms for account in accounts.values() if account.window is not None)
            at_ms = max(self._now_ms(), *begun, 0)
            content.reservations[name] = codec.encode_reservation(call._replace(at_ms=at_ms))
        return BudgetDecision(BudgetVerdict.GO)

    async def settle(
        self,
        call: Reservation,
        settlement: Settlement,
        declared: Mapping[BudgetScope, Account],
        *,
        was_reserved: bool,
        is_lost: bool = False,
    ) -> bool:
        content, name = self._access.content, codec.reservation_field(call)
        checked, accounts = codec.checked_settlement(settlement, is_lost), self._accounts_of(call, declared)
        aside, at_ms, lost = Amounts(), None, False
        if flag("was_reserved", was_reserved):
            if (record := content.reservations.get(name)) is None:
                return False
            begun = codec.decode_reservation(name, record)
            aside, at_ms, lost = begun.estimate, begun.at_ms, begun.lost_ms is not None
            if begun.lost_ms is not None and checked.is_estimated:
                if is_lost and begun.lost_ms + KEPT_MS < self._now_ms():
                    del content.reservations[name]
                return False
            if is_lost:
                marked = codec.encode_reservation(begun._replace(lost_ms=self._now_ms()))
                content.reservations[name] = b"c" + marked[1:] if checked.by is not None else marked
            else:
                del content.reservations[name]
            if record.startswith(b"c"):
                self._add_total(codec.settlement_of_lost(call, checked.by), -1)
        for scope, account in accounts.items():
            self._put(scope, settled(account, aside, checked, at_ms, was_lost=lost))
            self._wake(scope)
        self._add_total(checked, 1)
        return True

    def _add_total(self, settlement: Settlement, sign: int) -> None:
        totals, field = self._access.content.model_usage, model_usage.usage_field(settlement)
        if not field:
            return
        more, record = model_usage.usage_numbers(settlement), totals.get(field)
        before = [0] * len(more) if record is None else model_usage.numbers_of_total(record)
        sums = [max(0, min(a + sign * b, MOST)) for a, b in zip(before, more, strict=True)]
        totals[field] = model_usage.encode_total(sums)

    async def set_bounds(
        self,
        scope: BudgetScope,
        bounds: Bounds,
        declared: Account,
        *,
        on_exceeded: OnExceeded,
        currency: str | None,
    ) -> Account | None:
        _ = self._access.content
        [checked] = codec.checked_scopes([scope])
        codec.bounds_of(bounds)
        codec.letter_of(on_exceeded)
        codec.encode_currency(currency)
        codec.encode_account(codec.declared_of(checked, {checked: declared}))
        if not self._exists(checked):
            return None
        account = self._stored(checked) or rolled(declared, self._now_ms())
        changes = {"bounds": bounds, "on_exceeded": on_exceeded, "currency": currency or account.currency}
        changed = account.model_copy(update=changes)
        self._put(checked, changed)
        self._wake(checked)
        return changed

    async def accounts(self, scopes: Sequence[BudgetScope]) -> Mapping[BudgetScope, Account]:
        _ = self._access.content
        found = {scope: self._stored(scope) for scope in codec.checked_scopes(scopes)}
        return {scope: account for scope, account in found.items() if account is not None}

    async def reservations(self) -> Sequence[Reservation]:
        return [codec.decode_reservation(*one) for one in sorted(self._access.content.reservations.items())]

    async def shared(self) -> Mapping[BudgetScope, Account]:
        found = codec.decode_shared(self._access.content.shared_budgets)
        return {scope: rolled(account, self._now_ms()) for scope, account in found.items()}

    async def usage(self) -> Sequence[ModelUsageTotal]:
        return model_usage.decode_usage(self._access.content.model_usage)

    async def forget(self, scope: BudgetScope) -> bool:
        content, field = self._access.content, codec.shared_field(scope)
        account = self._stored(scope)
        if account is not None and account.reserved != NOTHING:
            raise CasConflictError(codec.is_drawn_on(scope))
        return content.shared_budgets.pop(field, None) is not None

    async def reopened(self, scope: BudgetScope) -> bool:
        _, _ = self._access.content, codec.shared_field(scope)
        account = self._stored(scope)
        if account is None or account.window is None or not has_refused_before(account):
            return False
        self._put(scope, account.model_copy(update={"window": account.window._replace(refused_ms=None)}))
        return True

    @asynccontextmanager
    async def listen(self, scope: BudgetScope) -> AsyncGenerator[WakeUp]:
        [checked] = codec.checked_scopes([scope])
        with self._access.content.budget_wake_ups.listen(self._message(checked).__eq__) as wake_up:
            yield wake_up

    def _wake(self, scope: BudgetScope) -> None:
        self._access.content.budget_wake_ups.send(self._message(scope))

    def _message(self, scope: BudgetScope) -> bytes:
        return codec.message_of("" if scope.run_id is None else run_key(scope.run_id), scope)

    def _now_ms(self) -> int:
        return (self._access.content.clock.now() - EPOCH) // MILLISECOND

    def _accounts_of(self, call: Reservation, declared: Mapping[BudgetScope, Account]) -> dict[BudgetScope, Account]:
        given = {scope: codec.declared_of(scope, declared) for scope in codec.checked_scopes(call.scopes)}
        for account in given.values():
            codec.encode_account(account)
        now = self._now_ms()
        return {scope: self._stored(scope) or rolled(new, now) for scope, new in given.items() if self._exists(scope)}

    def _exists(self, scope: BudgetScope) -> bool:
        return scope.run_id is None or run_key(scope.run_id) in self._access.content.runs

    def _stored(self, scope: BudgetScope) -> Account | None:
        if not self._exists(scope):
            return None
        record = self._hash(scope).get(codec.account_field(scope))
        return None if record is None else rolled(codec.decode_account(scope, record), self._now_ms())

    def _put(self, scope: BudgetScope, account: Account) -> None:
        self._hash(scope)[codec.account_field(scope)] = codec.encode_account(account)

    def _hash(self, scope: BudgetScope) -> dict[bytes, bytes]:
        content = self._access.content
        return content.shared_budgets if scope.run_id is None else content.run_budgets[run_key(scope.run_id)]
