"""What `redis-mob budget` says of accounts."""

from __future__ import annotations

import pytest

from redis_mob.cli.budgets import still_used_up
from redis_mob.models.budget import BudgetScope
from redis_mob.operations.budget_lines import BudgetLine

RUN = "0191a6a0-0000-4000-8000-000000000001"


@pytest.mark.parametrize(
    ("scope", "whose", "option"),
    [
        (BudgetScope.of_run(RUN), "run 0191a6a0", "budget RUN"),
        (BudgetScope.of_run(RUN, "writer"), "role writer in run 0191a6a0", "budget RUN --role writer"),
        (BudgetScope.shared("m", "per tenant", "acme"), "per tenant for 'acme'", "budget RUN --name 'per tenant'"),
    ],
    ids=["run", "role", "shared"],
)
def test_an_account_that_is_used_up_still_is_named_with_the_option_for_it(
    scope: BudgetScope, whose: str, option: str
) -> None:
    told = still_used_up(BudgetLine(**scope._asdict(), is_exceeded=True))
    assert told.startswith(f"{whose} is used up still")
    assert told.endswith(f"redis-mob {option}")


def test_one_call_of_a_tool_is_one() -> None:
    assert BudgetLine(run_id=RUN, tool_calls=1).said() == "1 tool call"
    assert BudgetLine(run_id=RUN, tool_calls=2).said() == "2 tool calls"
    assert BudgetLine(run_id=RUN, tool_calls=1, max_tool_calls=3).said() == "1 of 3 tool calls"
