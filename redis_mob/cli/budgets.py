"""How budgets are read from options, and shown."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

import pydantic

from redis_mob.cli.budget_text import whose
from redis_mob.cli.columns import print_columns
from redis_mob.cli.endings import print_line
from redis_mob.errors import ValidationError, shortened, shown
from redis_mob.models.budget import MICRO, Budget, OnExceeded, cost_text
from redis_mob.models.documents import complaints
from redis_mob.models.model_usage import ModelUsageTotal
from redis_mob.operations.budget_lines import BudgetLine
from redis_mob.operations.forking import UNCHANGED, Unchanged

NO_BOUND = "none"
"""What takes a bound away."""


def budget_of(max_tokens: int | None, max_cost: float | None, on_exceeded: OnExceeded) -> Budget | None:
    """The budget of a run that is started, None without options. Raises ValidationError naming an option."""
    bounds = (("max_tokens", max_tokens), ("max_cost", max_cost))
    given: dict[str, Any] = {name: one for name, one in bounds if one is not None}
    if not given:
        return None
    try:
        return Budget.model_validate({**given, "on_exceeded": on_exceeded})
    except pydantic.ValidationError as error:
        raise ValidationError(complaints(error, given)) from None


def bound(option: str, text: str | None, read: type[int] | type[float] | type[str]) -> Any:
    """The value of an option that bounds something: UNCHANGED if it is not given, None for `none`.

    Raises ValidationError naming the option.
    """
    if text is None:
        return UNCHANGED
    if text == NO_BOUND:
        return None
    try:
        return read(text)
    except ValueError:
        raise ValidationError(f"{option} must be a number, or none to take the bound away, not {shown(text)}") from None


def is_change(*values: Any | Unchanged) -> bool:
    """Whether any of these is given."""
    return any(value is not UNCHANGED for value in values)


def show_budgets(lines: Sequence[BudgetLine], *, json: bool) -> None:
    """A row, or an object, for each account."""
    if json:
        for line in lines:
            print_line(line.model_dump_json())
        return
    if not lines:
        print_line("no call has told what it used, and nothing is bounded")
        return
    rows = [
        (whose(line), line.said() or "nothing used", line.on_exceeded if line.is_bounded else "-") for line in lines
    ]
    print_columns(("BUDGET", "USED", "ON EXCEEDED"), rows, whole=("BUDGET",))


def still_used_up(line: BudgetLine) -> str:
    """That an account holds its runs back, and the option that names it."""
    of_shared, of_role = ("--name", line.name), ("--role", line.role)
    option, name = of_shared if line.run_id is None else of_role
    which = "" if name is None else f" {option} {shlex.quote(shortened(name))}"
    return f"{whose(line)} is used up still, so that it lets no run go on; to allow more: redis-mob budget RUN{which}"


def show_usage(totals: Sequence[ModelUsageTotal]) -> None:
    """A row for each flow and model."""
    rows = [
        (
            f"{shortened(one.mob_id)}/{shortened(one.flow_id)}",
            "-" if one.model is None else shortened(one.model),
            f"{one.calls:,}",
            f"{one.input_tokens:,}",
            f"{one.output_tokens:,}",
            f"{one.cache_read_tokens:,}",
            f"{one.cache_write_tokens:,}",
            f"{one.estimated_tokens:,}",
            "-" if one.currency is None else f"{cost_text(round(one.cost * MICRO))} {one.currency}",
        )
        for one in totals
    ]
    numbers = ("CALLS", "INPUT", "OUTPUT", "READ", "WRITTEN", "ESTIMATED", "COST")
    print_columns(("FLOW", "MODEL", *numbers), rows, right=numbers)
