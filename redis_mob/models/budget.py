"""Budgets as they are written, and the accounts by which they are kept (contract: budget-1, decision 0043)."""

from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, Field, model_validator

from redis_mob.errors import shown
from redis_mob.models.base import MOST_COUNTED, Model, WireEnum, is_none
from redis_mob.models.execution_key import ExecutionKey
from redis_mob.models.limits import Duration, duration_ms
from redis_mob.models.model_usage import UsedBy

MICRO = 1_000_000
"""Costs are counted in millionths of a currency: whole numbers add up exactly."""

MOST = MOST_COUNTED
"""The most that an account counts of anything."""

MOST_COST = MOST // MICRO

MOST_BYTES_OF_KEY = 1024
"""How long the rendered key of a shared budget may be, in UTF-8."""

CURRENCY = r"[A-Za-z]{1,12}"
"""How a currency is written: `USD`, or any word for a unit of one's own."""


def micro(cost: float) -> int:
    """A cost in millionths, rounded up: what is not nothing is never counted as nothing."""
    return int((Decimal(str(cost)) * MICRO).to_integral_value(ROUND_CEILING))


def _not_below_zero(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool) and value < 0:
        raise ValueError(f"a budget of {shown(value)} is below zero: give 0 for nothing, or leave it out for no bound")
    return value


Count = Annotated[int, BeforeValidator(_not_below_zero), Field(ge=0, le=MOST)]
Cost = Annotated[float, BeforeValidator(_not_below_zero), Field(ge=0, le=MOST_COST, allow_inf_nan=False)]


class OnExceeded(WireEnum):
    """What becomes of a call for which a budget has nothing left: its run is paused, or its step fails."""

    PAUSE = "pause"
    FAIL = "fail"


class Bounds(NamedTuple):
    """The most that an account allows of each kind, None without a bound; `cost` in millionths, time in ms."""

    tokens: int | None = None
    cost: int | None = None
    tool_calls: int | None = None
    time_ms: int | None = None


class Amounts(NamedTuple):
    """So much of each kind: tokens, cost in millionths of the currency, calls of tools, milliseconds."""

    tokens: int = 0
    cost: int = 0
    tool_calls: int = 0
    time_ms: int = 0

    def plus(self, other: "Amounts") -> "Amounts":
        """The sum, up to what an account can count."""
        return Amounts(*(min(a + b, MOST) for a, b in zip(self, other, strict=True)))

    def minus(self, other: "Amounts") -> "Amounts":
        """The difference, nothing below zero."""
        return Amounts(*(max(a - b, 0) for a, b in zip(self, other, strict=True)))


NOTHING = Amounts()


class Budget(Model):
    """How much the calls of handlers may use: tokens, cost, calls of tools, and time of handlers, such as `10m`.

    None leaves a kind without bound. `on_exceeded` is what becomes of a call for which nothing is left: the run is
    paused unless it says `fail`. `currency` is that of `max_cost`, that of the prices unless it is given
    (contract: budget-1).
    """

    max_tokens: Count | None = Field(default=None, exclude_if=is_none)
    max_cost: Cost | None = Field(default=None, exclude_if=is_none)
    max_tool_calls: Count | None = Field(default=None, exclude_if=is_none)
    max_time: Duration | None = Field(default=None, exclude_if=is_none)
    currency: Annotated[str, Field(pattern=rf"^{CURRENCY}$")] | None = Field(default=None, exclude_if=is_none)
    on_exceeded: OnExceeded = Field(default=OnExceeded.PAUSE, exclude_if=lambda what: what == OnExceeded.PAUSE)

    @property
    def bounds(self) -> Bounds:
        """The bounds as accounts have them."""
        return Bounds(
            self.max_tokens,
            None if self.max_cost is None else micro(self.max_cost),
            self.max_tool_calls,
            None if self.max_time is None else duration_ms(self.max_time),
        )

    def over(self, other: "Budget | None") -> "Budget":
        """What this one says, and what another one says of that of which this one says nothing."""
        if other is None:
            return self
        given = {name: getattr(self, name) for name in self.model_fields_set if getattr(self, name) is not None}
        return Budget.model_validate({**other.model_dump(include=set(Budget.model_fields)), **given})


class SharedBudget(Budget):
    """A budget of all runs of a mob whose parameters give the same `key`, a template such as `{{ params.tenant }}`.

    With `per`, such as `1d`, it is full again after each such time, by the server's clock: windows are counted from a
    Monday, 0:00 UTC (contract: budget-10).
    """

    key: str = Field(min_length=1)
    per: Duration | None = Field(default=None, exclude_if=is_none)

    @model_validator(mode="after")
    def _bounds_something(self) -> "SharedBudget":
        if self.bounds == Bounds():
            raise ValueError("a budget needs max_tokens, max_cost, max_tool_calls or max_time")
        return self


class BudgetScope(NamedTuple):
    """Whose account it is: a run's, a role's within a run, or that of a shared budget of a mob for one key."""

    run_id: str | None = None
    role: str | None = None
    mob_id: str | None = None
    name: str | None = None
    key: str | None = None

    @classmethod
    def of_run(cls, run_id: str, role: str | None = None) -> "BudgetScope":
        """That of a run, or of a role within it."""
        return cls(run_id=run_id, role=role)

    @classmethod
    def shared(cls, mob_id: str, name: str, key: str) -> "BudgetScope":
        """That of a shared budget for one key."""
        return cls(mob_id=mob_id, name=name, key=key)

    def __str__(self) -> str:
        if self.run_id is None:
            return f"the budget {shown(self.name)} for {shown(self.key)}"
        of_run = f"the budget of run {self.run_id}"
        return of_run if self.role is None else f"the budget of role {shown(self.role)} in run {self.run_id}"


class Window(NamedTuple):
    """What an account has that is full again after each time of a length; times are milliseconds since 1970.

    `since_ms` is when its window has begun, 0 of one that was not used yet, `before` what was used in the window before
    it, `refused_ms` in which window it has refused a call last whose run was to be paused, None if in none.
    """

    per_ms: int
    since_ms: int = 0
    before: Amounts = NOTHING
    refused_ms: int | None = None

    @property
    def ends_ms(self) -> int:
        """When the next window begins."""
        return self.since_ms + self.per_ms


class Account(Model):
    """What was used of a budget, or would be if there were one.

    `reserved` is for calls that are under way, `estimated` the part of `used` for calls that did not tell what they
    used. `unpriced_tokens` were used by models without a price: they have no part in the cost. With a `window` all of
    that is about this window.
    """

    bounds: Bounds = Bounds()
    used: Amounts = NOTHING
    reserved: Amounts = NOTHING
    estimated: Amounts = NOTHING
    unpriced_tokens: int = 0
    on_exceeded: OnExceeded = OnExceeded.PAUSE
    currency: str | None = None
    window: Window | None = None

    @classmethod
    def of(cls, budget: Budget | None) -> "Account":
        """A new account; one without budget only counts."""
        if budget is None:
            return cls()
        per = budget.per if isinstance(budget, SharedBudget) else None
        window = None if per is None else Window(duration_ms(per))
        return cls(bounds=budget.bounds, on_exceeded=budget.on_exceeded, currency=budget.currency, window=window)

    @property
    def is_exceeded(self) -> bool:
        """Whether nothing is left of some kind."""
        return any(most is not None and used >= most for used, most in zip(self.used, self.bounds, strict=True))

    def said(self) -> str:
        """What was used of it, and what is left of nothing, in words."""
        return ", ".join(
            kind.said(used, most, self.currency)
            for kind, used, most in zip(KINDS, self.used, self.bounds, strict=True)
            if most is not None and used >= most
        )


class Kind(NamedTuple):
    """A kind of what a budget bounds, in words."""

    name: str
    unit: str

    def amount(self, number: int, currency: str | None) -> str:
        """A number of it with its unit."""
        if self.name == "cost":
            return f"{cost_text(number)} {currency or 'of no currency'}"
        if self.name == "time":
            return f"{number / 1000:,g} s"
        return f"{number:,} {self.unit}"

    def said(self, used: int, most: int, currency: str | None) -> str:
        """How much of how much is used."""
        return f"{self.amount(used, currency)} of {self.amount(most, currency)} used"


KINDS = (Kind("tokens", "tokens"), Kind("cost", ""), Kind("tool_calls", "tool calls"), Kind("time", ""))
"""The kinds in the order of `Amounts`."""

TIME = 3
"""Where time stands among them."""


def cost_text(number: int) -> str:
    """A cost in its currency, of a number of millionths: with two digits behind the point at least."""
    whole, rest = divmod(number, MICRO)
    digits = f"{rest:06d}".rstrip("0")
    return f"{whole:,}.{digits:0<2}"


class BudgetVerdict(StrEnum):
    """Whether a call may begin: now, once others have ended, or not, and why not."""

    GO = "go"
    WAIT = "wait"
    EXCEEDED = "exceeded"
    UNPRICED = "unpriced"
    CURRENCY = "currency"


class Reservation(NamedTuple):
    """What a call may use, as long as it is under way.

    It is told apart by its run, execution, fencing token and number within the attempt. `spent` counts as used from the
    beginning; `estimate` is put aside until the call tells what it used. `currency` is that of the cost, None if it has
    none; `is_unpriced` says that its cost is not known. `scopes` are whose accounts it draws on. `at_ms` is when it was
    made, in milliseconds since 1970, as the storage tells it, `lost_ms` when it
    was lost, None if it was not. `model` is the one that the call has named.
    """

    run_id: str
    key: ExecutionKey
    fencing_token: int
    number: int
    spent: Amounts
    estimate: Amounts
    scopes: tuple[BudgetScope, ...]
    currency: str | None = None
    is_unpriced: bool = False
    at_ms: int = 0
    model: str | None = None
    lost_ms: int | None = None


class BudgetDecision(NamedTuple):
    """Whether a call may begin; if not, the account that keeps it from that, as it is."""

    verdict: BudgetVerdict
    scope: BudgetScope | None = None
    account: Account | None = None


def judged(account: Account, call: Reservation) -> BudgetVerdict:
    """Whether an account lets a call begin (contract: budget-3).

    It is refused only once nothing is left. While others are under way, which may use less than they have put aside,
    it waits if it may not fit; alone it may begin with what is left, so that all of it is used.
    """
    waits = False
    if call.is_unpriced and account.bounds.cost is not None:
        return BudgetVerdict.UNPRICED
    if call.currency is not None and account.currency not in (None, call.currency):
        return BudgetVerdict.CURRENCY
    for kind, most in enumerate(account.bounds):
        wanted = call.spent[kind] + call.estimate[kind]
        if most is None or (wanted == 0 and kind != TIME):
            continue
        if account.used[kind] >= most:
            return BudgetVerdict.EXCEEDED
        waits = waits or (account.reserved[kind] > 0 and account.used[kind] + account.reserved[kind] + wanted > most)
    return BudgetVerdict.WAIT if waits else BudgetVerdict.GO


def reserved(account: Account, call: Reservation) -> Account:
    """The account once the call has begun."""
    return account.model_copy(
        update={
            "used": account.used.plus(call.spent),
            "reserved": account.reserved.plus(call.estimate),
            "currency": account.currency or call.currency,
        }
    )


class Settlement(NamedTuple):
    """What a call has used, beside what counted from its beginning.

    It `is_estimated` if the call did not tell: then what was put aside counts as used. With `by` it also counts in the
    total of a model and a flow.
    """

    used: Amounts
    is_estimated: bool = False
    unpriced_tokens: int = 0
    currency: str | None = None
    by: UsedBy | None = None


def settled(
    account: Account,
    aside: Amounts,
    settlement: Settlement,
    at_ms: int | None = None,
    *,
    was_lost: bool = False,
) -> Account:
    """The account once the call has ended for which something was put aside, at a time if it was.

    If that was before its window, it counts in the one before, if that was it (contract: budget-10). Of one that was
    lost, what it had put aside has counted until now (contract: budget-5).
    """
    window, currency = account.window, account.currency or settlement.currency
    counted = aside if was_lost else NOTHING
    if window is not None and at_ms is not None and at_ms < window.since_ms:
        if at_ms >= window.since_ms - window.per_ms:
            window = window._replace(before=window.before.plus(settlement.used).minus(counted))
        return account.model_copy(update={"window": window, "currency": currency})
    estimated = settlement.used if settlement.is_estimated else NOTHING
    return account.model_copy(
        update={
            "used": account.used.plus(settlement.used).minus(counted),
            "reserved": account.reserved if was_lost else account.reserved.minus(aside),
            "estimated": account.estimated.plus(estimated).minus(counted),
            "unpriced_tokens": min(account.unpriced_tokens + settlement.unpriced_tokens, MOST),
            "currency": currency,
        }
    )
