"""`redis-mob budget`, and what `ls`, `show` and `stats` tell of what calls have used."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext
from redis_mob.models.definition import MobDefinition
from redis_mob.storage import MobStorage
from tests.cli.command import Here

MOB = MobDefinition.from_toml(
    """
[mob]
id = "mob"
[profiles.worker]
model = "small"
[flows.flow]
budget = { max_tokens = 25 }
[flows.flow.steps.a]
role = "worker"
message = "do it"
[budgets.tenant]
key = "{{ params.tenant }}"
max_cost = 0.5
per = "1d"
[prices]
currency = "USD"
[prices.models.small]
input = 1000
output = 1000
""",
    strict=True,
)


async def pays(ctx: StepContext) -> str:
    for _ in range(4):
        async with ctx.spend(tokens=40, model="small") as call:
            call.used(input_tokens=10, cache_read_tokens=4, output_tokens=2)
    return "done"


@pytest.fixture
def run_id(server_url: str, namespace: str) -> str:
    """A run whose budget is used up."""

    async def work() -> str:
        async with MobStorage.open(server_url, namespace=namespace) as storage:
            fleet = Fleet(storage, MOB, {"worker": pays})
            started = await fleet.start("flow", {"tenant": "acme"})
            await fleet.work(until_idle=True)
            return started

    return asyncio.run(work())


def test_it_tells_what_a_run_has_used_and_where_from(here: Here, run_id: str) -> None:
    told = here("budget", run_id)
    assert (told.status, told.err) == (0, "")
    head, of_run, shared = told.out.splitlines()
    assert head.split() == ["BUDGET", "USED", "ON", "EXCEEDED"]
    assert of_run.split("  ")[0] == f"run {run_id[:8]}"
    assert "36 of 25 tokens, 0.036 USD" in of_run
    assert shared.startswith("tenant for 'acme'")
    assert "0.036 of 0.50 USD, until 20" in shared
    assert "T00:00:00" in shared
    lines: list[Any] = [json.loads(line) for line in here("budget", run_id, "--json").out.splitlines()]
    assert [(one["tokens"], one["cost"], one["is_exceeded"]) for one in lines] == [
        (36, 0.036, True),
        (36, 0.036, False),
    ]
    assert "ends" in lines[1]


def test_more_lets_the_run_go_on(here: Here, run_id: str) -> None:
    nothing = here("budget", run_id, "--max-tokens", "30")
    held = f"run {run_id[:8]} is used up still, so that it lets no run go on"
    note = f"note: {held}; to allow more: redis-mob budget RUN\n"
    assert (nothing.status, nothing.err) == (0, note)
    more = here("budget", run_id[:8], "--max-tokens", "none")
    assert (more.status, more.err) == (0, f"run {run_id} goes on\n")
    assert "36 tokens" in more.out


def test_shared_budgets_are_listed_and_forgotten(here: Here, run_id: str) -> None:
    shared = here("budget")
    assert shared.out.splitlines()[1].startswith("tenant for 'acme'")
    assert run_id not in shared.out
    forget = ("budget", "--forget", "--mob", "mob", "--name", "tenant", "--key", "acme")
    first, again = here(*forget), here(*forget)
    assert [(one.status, one.err) for one in (first, again)] == [(0, "forgotten\n"), (1, "there is no such account\n")]
    assert here("budget").out == "no call has told what it used, and nothing is bounded\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--max-tokens", "many"), "--max-tokens must be a number, or none to take the bound away, not 'many'"),
        (("--max-cost", "-1"), "a budget of -1.0 is below zero"),
        (("--max-tokens", "5", "--role", "worker", "--name", "tenant"), "give role or name, not both"),
        (("--max-tokens", "5", "--name", "other"), "draws on no shared budget 'other'; it draws on 'tenant'"),
        (("--on-exceeded", "stop"), "on_exceeded must be pause or fail, not 'stop'"),
    ],
)
def test_what_makes_no_sense_is_named(here: Here, run_id: str, words: tuple[str, ...], said: str) -> None:
    refused = here("budget", run_id, *words)
    assert (refused.status, refused.out) == (2, "")
    assert said in refused.err


def test_a_bound_without_a_run_is_refused(here: Here, run_id: str) -> None:
    refused = here("budget", "--max-cost", "5")
    assert refused.status == 2
    assert "name the run whose budget it is: redis-mob budget RUN --max-cost 5" in refused.err
    assert here("budget", "ffffffff").status == 2
    assert run_id


def test_stats_tell_what_each_model_was_used_for(here: Here, run_id: str) -> None:
    """contract: budget-11."""
    told = here("stats")
    head, row = told.out.splitlines()[-2:]
    assert head.split() == ["FLOW", "MODEL", "CALLS", "INPUT", "OUTPUT", "READ", "WRITTEN", "ESTIMATED", "COST"]
    assert row.split() == ["mob/flow", "small", "3", "30", "6", "12", "0", "0", "0.036", "USD"]
    [usage] = json.loads(here("stats", "--json").out)["usage"]
    assert (usage["model"], usage["calls"], usage["cost"]) == ("small", 3, 0.036)
    assert run_id


def test_ls_and_show_tell_usage_and_cost(here: Here, run_id: str) -> None:
    listed, shown = here("ls"), here("show", run_id)
    assert "36" in listed.out
    assert "0.036" in listed.out
    assert "36 of 25 tokens, 0.036 USD" in shown.out
    as_json = json.loads(here("ls", "--json").out)
    assert as_json["usage"]["tokens"] == 36
