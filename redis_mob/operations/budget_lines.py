"""An account of a budget as operators see it."""

from pydantic import Field

from redis_mob.models.base import U64, Model, RunId, Timestamp, format_timestamp, is_empty, is_none
from redis_mob.models.budget import MICRO, Account, Amounts, BudgetScope, OnExceeded, cost_text
from redis_mob.models.budget_windows import moment


class BudgetLine(Model):
    """What was used of a budget, and what it allows; costs in its `currency`, times in seconds.

    It is that of a run, of a `role` within it, or of a shared budget of a mob, by its `name` and `key`. Without a bound
    it only counts. `reserved_tokens` and `reserved_cost` are put aside for calls that are under way; `estimated_tokens`
    and `estimated_cost` are the part of what was used for calls that did not tell. `unpriced_tokens` were used by
    models without a price, and have no part in the cost. One that is full again after each time of a length counts what
    is used from `begins` until `ends`; `tokens_before` and `cost_before` were used in the window before.
    """

    run_id: RunId | None = Field(default=None, exclude_if=is_none)
    role: str | None = Field(default=None, exclude_if=is_none)
    mob_id: str | None = Field(default=None, exclude_if=is_none)
    name: str | None = Field(default=None, exclude_if=is_none)
    key: str | None = Field(default=None, exclude_if=is_none)
    tokens: U64 = 0
    cost: float = 0.0
    tool_calls: U64 = 0
    seconds: float = 0.0
    max_tokens: U64 | None = Field(default=None, exclude_if=is_none)
    max_cost: float | None = Field(default=None, exclude_if=is_none)
    max_tool_calls: U64 | None = Field(default=None, exclude_if=is_none)
    max_seconds: float | None = Field(default=None, exclude_if=is_none)
    currency: str | None = Field(default=None, exclude_if=is_none)
    on_exceeded: OnExceeded = OnExceeded.PAUSE
    reserved_tokens: U64 = Field(default=0, exclude_if=is_empty)
    reserved_cost: float = Field(default=0.0, exclude_if=is_empty)
    estimated_tokens: U64 = Field(default=0, exclude_if=is_empty)
    estimated_cost: float = Field(default=0.0, exclude_if=is_empty)
    unpriced_tokens: U64 = Field(default=0, exclude_if=is_empty)
    is_exceeded: bool = False
    begins: Timestamp | None = Field(default=None, exclude_if=is_none)
    ends: Timestamp | None = Field(default=None, exclude_if=is_none)
    tokens_before: U64 = Field(default=0, exclude_if=is_empty)
    cost_before: float = Field(default=0.0, exclude_if=is_empty)

    @classmethod
    def of(cls, scope: BudgetScope, account: Account) -> "BudgetLine":
        """That of an account."""
        most, used, aside, estimated = account.bounds, account.used, account.reserved, account.estimated
        window = account.window
        before = Amounts() if window is None else window.before
        is_begun = window is not None and window.since_ms > 0
        return cls.unchecked(
            **scope._asdict(),
            tokens=used.tokens,
            cost=used.cost / MICRO,
            tool_calls=used.tool_calls,
            seconds=used.time_ms / 1000,
            max_tokens=most.tokens,
            max_cost=None if most.cost is None else most.cost / MICRO,
            max_tool_calls=most.tool_calls,
            max_seconds=None if most.time_ms is None else most.time_ms / 1000,
            currency=account.currency,
            on_exceeded=account.on_exceeded,
            reserved_tokens=aside.tokens,
            reserved_cost=aside.cost / MICRO,
            estimated_tokens=estimated.tokens,
            estimated_cost=estimated.cost / MICRO,
            unpriced_tokens=account.unpriced_tokens,
            is_exceeded=account.is_exceeded,
            begins=moment(window.since_ms) if window is not None and is_begun else None,
            ends=moment(window.ends_ms) if window is not None and is_begun else None,
            tokens_before=before.tokens,
            cost_before=before.cost / MICRO,
        )

    @property
    def is_bounded(self) -> bool:
        """Whether it allows no more than so much of anything."""
        return any(most is not None for most in (self.max_tokens, self.max_cost, self.max_tool_calls, self.max_seconds))

    @property
    def is_used(self) -> bool:
        """Whether anything was used of it."""
        return bool(self.tokens or self.cost or self.tool_calls)

    @property
    def scope(self) -> BudgetScope:
        """Whose account it is."""
        return BudgetScope(self.run_id, self.role, self.mob_id, self.name, self.key)

    def said(self) -> str:
        """What was used, in words, with what is allowed."""
        calls = None if self.max_tool_calls is None else f"{self.max_tool_calls:,}"
        parts = [
            _of(f"{self.tokens:,}", None if self.max_tokens is None else f"{self.max_tokens:,}", "tokens"),
            _of(_money(self.cost), None if self.max_cost is None else _money(self.max_cost), self.currency or ""),
            _of(f"{self.tool_calls:,}", calls, "tool call" if self.tool_calls == 1 and calls is None else "tool calls"),
            _of(f"{self.seconds:,.1f}", None if self.max_seconds is None else f"{self.max_seconds:g}", "s"),
        ]
        is_told = (
            self.tokens or self.max_tokens is not None,
            self.cost or self.max_cost is not None,
            self.tool_calls or self.max_tool_calls is not None,
            self.max_seconds is not None,
        )
        told = [part for part, wanted in zip(parts, is_told, strict=True) if wanted]
        if self.estimated_tokens or self.estimated_cost:
            cost = f", {_money(self.estimated_cost)} {self.currency}" if self.estimated_cost else ""
            told.append(f"of which estimated {self.estimated_tokens:,} tokens{cost}")
        if self.unpriced_tokens and self.currency is not None:
            told.append(f"{self.unpriced_tokens:,} tokens without a price")
        if self.reserved_tokens or self.reserved_cost:
            cost = f", {_money(self.reserved_cost)} {self.currency}" if self.reserved_cost else ""
            told.append(f"put aside {self.reserved_tokens:,} tokens{cost}")
        if self.ends is not None:
            told.append(f"until {format_timestamp(self.ends)}")
        return ", ".join(told)


def _of(used: str, most: str | None, unit: str) -> str:
    return f"{used} {unit}".rstrip() if most is None else f"{used} of {most} {unit}".rstrip()


def _money(amount: float) -> str:
    return cost_text(round(amount * MICRO))
