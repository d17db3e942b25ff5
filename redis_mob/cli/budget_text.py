"""What is told of the accounts that calls draw on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from redis_mob.cli.columns import SHORT_ID
from redis_mob.errors import shortened, shown
from redis_mob.operations.budget_lines import BudgetLine


def whose(line: BudgetLine) -> str:
    """Whose account it is, in words."""
    if line.run_id is None:
        return f"{shortened(line.name or '')} for {shown(line.key)}"
    of_run = f"run {line.run_id[:SHORT_ID]}"
    return of_run if line.role is None else f"role {shortened(line.role)} in {of_run}"


def budget_lines(lines: Sequence[BudgetLine], run_id: str) -> Iterator[str]:
    """A line for each account that calls of a run draw on, as `show` has it."""
    for line in lines:
        yield line.said() if line.scope.run_id == run_id and line.role is None else f"{whose(line)}: {line.said()}"
