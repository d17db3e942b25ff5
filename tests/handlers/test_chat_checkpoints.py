"""What a chat model and its tools have said is kept, so that no later attempt pays for it again."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from redis_mob import MobRunStatus, PreviousFailure, StepContext, StepFailed, StepProfile
from redis_mob.fleet.asking import HandlerSuspended
from redis_mob.fleet.lease import LeaseLostError
from redis_mob.fleet.once import Once
from redis_mob.fleet.spending import KeptSpending, Spending
from redis_mob.handlers import chat
from redis_mob.handlers.usage import ModelUsage
from redis_mob.models.ask import Answer
from redis_mob.models.checkpoint import Checkpoint
from redis_mob.storage import MobStorage
from redis_mob.testing import KeptCheckpoints
from tests.fleet.flows import mob, step
from tests.fleet.working import run_flow
from tests.handlers.contexts import KeptTeller, context
from tests.handlers.fake_model import asked, called, model, said, used
from tests.handlers.fake_service import Response, Service
from tests.support.storages import pytest_generate_tests as pytest_generate_tests
from tests.support.storages import storage as storage
from tests.support.storages import url as url

SMALL = StepProfile(model="small")
FAILED = PreviousFailure("the printer is on fire")


class Dying(KeptCheckpoints):
    """Keeps a number of results, and loses the execution before the next one."""

    def __init__(self, left: int) -> None:
        super().__init__()
        self.left = left

    async def keep(self, checkpoint: Checkpoint, /) -> None:
        if self.left == 0:
            raise LeaseLostError("killed")
        self.left -= 1
        await super().keep(checkpoint)


class Tools:
    """Counts the calls of a function."""

    def __init__(self, fails: int = 0) -> None:
        self.calls: list[int] = []
        self.fails = fails

    def add(self, a: int) -> int:
        """Add one."""
        self.calls.append(a)
        if len(self.calls) <= self.fails:
            raise RuntimeError("killed")
        return a + 1

    def handler(self, running: Service, **options: Any) -> Callable[[StepContext], Any]:
        return chat(base_url=running.url, api_key="key", tools=[self.add], **options)


@pytest.mark.parametrize("kept_calls", range(5))
async def test_a_death_after_any_call_repeats_that_call_alone(kept_calls: int) -> None:
    tools, kept = Tools(), Dying(kept_calls)
    turns = [called("add", '{"a": 1}'), called("add", '{"a": 2}'), said("3")]
    if kept_calls % 2 == 0:  # an answer of the model is what gets lost
        turns.insert(kept_calls // 2, turns[kept_calls // 2])
    async with model(*turns) as running:
        handle = tools.handler(running)
        with pytest.raises(LeaseLostError):
            await handle(context(profile=SMALL, checkpoints=Once(kept)))
        kept.left = 10
        assert await handle(context(profile=SMALL, checkpoints=Once(kept))) == "3"
        assert len(running.requests) + len(tools.calls) == 5 + 1


async def test_a_retry_goes_on_where_the_attempt_before_failed_and_tells_the_model_why_there() -> None:
    tools, kept, teller, usages = Tools(fails=1), KeptCheckpoints(), KeptTeller(), list[ModelUsage]()
    spent = KeptSpending()

    def count(_ctx: StepContext, usage: ModelUsage) -> None:
        usages.append(usage)

    first = [*said("let me see", finish=None), *called("add", '{"a": 1}'), used(10, 1)]
    async with model(first, [*said("2"), used(5, 1)]) as running:
        handle = tools.handler(running, on_usage=count)
        with pytest.raises(RuntimeError, match="killed"):
            await handle(context(profile=SMALL, checkpoints=Once(kept)))
        for attempt in (2, 3):  # the second one's worker is killed at its end
            ctx = context(
                profile=SMALL,
                attempt=attempt,
                checkpoints=Once(kept),
                previous_failure=FAILED,
                teller=teller,
                spending=Spending(spent),
            )
            assert await handle(ctx) == "2"
        assert len(running.requests) == 2
        [_, answer, result, failure] = asked(running, 1)["messages"]
    assert (answer["content"], result["content"]) == ("let me see", "2")
    assert failure["content"].startswith("An earlier attempt at this task failed: the printer is on fire")
    assert tools.calls == [1, 1]
    assert [(one.requests, one.total_tokens) for one in usages] == [(1, 11), (1, 6)]
    assert [one.tool_calls for one in spent.wanted] == [1, 0], "what is kept draws on no budget"
    # what the earlier attempt has streamed is void
    assert teller.chunks == [("output", "let me see"), ("output", "2")] * 2


async def test_a_failure_that_was_told_stays_where_it_was_told() -> None:
    tools, kept = Tools(), Dying(2)
    turns = [called("add", '{"a": 1}'), called("add", '{"a": 2}'), said("3")]
    async with model(turns[0], turns[1], turns[1], Response(b"{}", "503 Broken"), turns[2]) as running:
        handle = tools.handler(running)
        with pytest.raises(LeaseLostError):
            await handle(context(profile=SMALL, checkpoints=Once(kept)))
        kept.left = 10
        with pytest.raises(StepFailed, match="503"):
            await handle(context(profile=SMALL, checkpoints=Once(kept), attempt=2, previous_failure=FAILED))
        other = PreviousFailure("503")
        assert await handle(context(profile=SMALL, checkpoints=Once(kept), attempt=3, previous_failure=other)) == "3"
        told = [[one["role"] for one in asked(running, n)["messages"]] for n in range(len(running.requests))]
    call = ["assistant", "tool"]
    # the answer behind the first call was lost, and is asked for again with the failure
    assert told == [
        ["user"],
        ["user", *call],
        ["user", *call, "user"],
        ["user", *call, "user", *call],
        ["user", *call, "user", *call, "user"],
    ]


async def test_what_the_step_does_not_take_is_asked_for_again() -> None:
    kept = KeptCheckpoints()
    profile = StepProfile(model="small", output_schema={"type": "integer"})
    async with model(said("one"), said("1")) as running:
        handle = chat(base_url=running.url, api_key="key")
        with pytest.raises(StepFailed, match="it is no JSON"):
            await handle(context(profile=profile, checkpoints=Once(kept)))
        assert not kept.kept
        assert await handle(context(profile=profile, checkpoints=Once(kept), attempt=2)) == 1


async def test_another_question_is_asked_and_that_is_told() -> None:
    kept, teller = KeptCheckpoints(), KeptTeller()
    async with model(said("one"), said("two")) as running:
        handle = chat(base_url=running.url, api_key="key")
        assert await handle(context(profile=SMALL, checkpoints=Once(kept))) == "one"
        again = context(profile=SMALL, checkpoints=Once(kept), message="do that", teller=teller)
        assert await handle(again) == "two"
    assert [one["data"] for one in teller.reports] == [{"once": "model_request", "ordinal": 0, "changed": True}]


async def test_a_later_attempt_goes_on_with_the_model_that_has_answered() -> None:
    tools, kept, teller = Tools(fails=1), KeptCheckpoints(), KeptTeller()
    turns = (Response(b"{}", "503 Broken"), called("add", '{"a": 1}'), said("2"))
    async with model(*turns) as running:
        handle = tools.handler(running, models=["large", "small", "least"])
        with pytest.raises(RuntimeError, match="killed"):
            await handle(context(checkpoints=Once(kept)))
        assert await handle(context(checkpoints=Once(kept), attempt=2, teller=teller)) == "2"
        assert [json.loads(one.body)["model"] for one in running.requests] == ["large", "small", "small"]
    assert not teller.reports
    answers: list[Any] = [one.value for one in kept.kept.values() if one.name == "model_request"]
    assert [one["model"] for one in answers] == ["small", "small"]


async def test_a_tool_that_asks_people_is_called_with_their_answer_and_the_model_is_not_asked_again() -> None:
    kept = KeptCheckpoints()

    async def pay(ctx: StepContext, amount: int) -> str:
        """Pay."""
        return f"paid {(await ctx.ask('pay', amount)).value}"

    async with model(called("pay", '{"amount": 3}'), said("done")) as running:
        handle = chat(base_url=running.url, api_key="key", tools=[pay])
        with pytest.raises(HandlerSuspended):
            await handle(context(profile=SMALL, checkpoints=Once(kept)))
        kept.answer("pay", Answer(approved=True, value=2, edited=True))
        assert await handle(context(profile=SMALL, checkpoints=Once(kept))) == "done"
        assert len(running.requests) == 2
        assert asked(running, 1)["messages"][-1]["content"] == "paid 2"


async def test_an_answer_that_cannot_be_kept_fails_for_good(tmp_path: Path) -> None:
    definition = mob({"a": step(retry={"attempts": 3, "first": 0})}, limits={"max_output_bytes": 1_000})
    async with model(said("é" * 600)) as running:
        async with MobStorage.open("memory:", namespace=str(tmp_path)) as storage:
            run = await run_flow(storage, definition, chat("small", base_url=running.url, api_key="key"))
        assert len(running.requests) == 1
    assert run.status is MobRunStatus.FAILED
    assert "the result of the call 'model_request' is" in run.failure_ledger[0].reason


async def test_half_of_a_character_fails_the_attempt() -> None:
    async with model(said("\ud83d")) as running:
        with pytest.raises(StepFailed, match="half of a character"):
            await chat(base_url=running.url, api_key="key")(context(profile=SMALL))


async def test_a_run_pays_each_request_once_over_its_attempts(storage: MobStorage) -> None:
    tools = Tools(fails=2)
    definition = mob({"a": step(retry={"attempts": 3, "first": 0})})
    async with model(called("add", '{"a": 1}'), said("2")) as running:
        lease = timedelta(minutes=1)  # a worker that loses it makes the call under way once more
        run = await run_flow(storage, definition, tools.handler(running, model="small"), lease=lease)
        assert len(running.requests) == 2
        failure = asked(running, 1)["messages"][-1]["content"]
    assert run.root_step_outputs["a"] == {"worker-1": "2"}
    assert "killed" in failure
    assert tools.calls == [1, 1, 1]
