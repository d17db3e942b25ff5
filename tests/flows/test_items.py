"""Steps over items in Python: `for_each`, typed items, and their outputs in order."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from redis_mob import Mob, MobDefinition, MobRun, RunFailedError, StepContext, loop, quorum, step
from redis_mob.codec.definitions import encode_definition
from redis_mob.errors import DefinitionError, ValidationError
from redis_mob.flows import eq
from tests.fleet.typed_handlers import Source, Verdict

SOURCES = [Source(path=f"{name}.py", lines=lines) for lines, name in enumerate("abcdefghijkl")]


async def reviewed(mob: Mob, *steps: Any) -> MobRun:
    """A run of these steps after one that lists the sources."""
    flow = mob.flow("f", [step("inventory"), *steps])
    return await mob.run(flow, url="memory:")


def reviews(members: int = 2) -> Mob:
    mob = Mob("m")

    @mob.handler
    async def inventory() -> list[Source]:
        return SOURCES

    @mob.handler("reader", members=members)
    async def read(ctx: StepContext, item: Source, index: int, inventory: list[Source]) -> Verdict:
        assert inventory[index] == item
        return Verdict(label=f"{item.path} by {ctx.member}", lines=item.lines)

    return mob


def over_sources(**more: Any) -> Any:
    return step("read", role="reader", after="inventory", for_each="steps.inventory", **more)


TOML = """
[mob]
id = "m"

[profiles]
finder = { model = "none" }
reader = { model = "none" }

[flows.f.steps.find]
role = "finder"
message = ""
dispatch_mode = "one_to_one"
collection_policy = { type = "any" }

[flows.f.steps.read]
role = "reader"
message = "Read {{ item.path }}, number {{ index }}"
depends_on = ["find"]
for_each = "steps.find"
max_parallel = 20
"""


def test_a_step_over_items_is_the_same_definition_as_that_in_toml_and_has_the_same_digest() -> None:
    mob, written = Mob("m"), MobDefinition.from_toml(TOML)
    for role in ("finder", "reader"):
        mob.role(role)
    message = "Read {{ item.path }}, number {{ index }}"
    each = step("read", message, role="reader", after="find", for_each="steps.find", max_parallel=20)
    mob.flow("f", [step("find", role="finder"), each])
    assert mob.definition() == written
    assert encode_definition(mob.definition()) == encode_definition(written)
    assert MobDefinition.from_toml(mob.to_toml()) == written


def test_each_item_must_succeed_unless_something_else_is_said() -> None:
    mob = reviews(members=1)
    mob.flow("f", [step("inventory"), over_sources()])
    mob.flow("g", [step("inventory"), over_sources(dispatch="one_to_one")])
    mob.flow("h", [step("inventory"), over_sources(policy=quorum(2), dispatch="fan_in")])
    found = [flow.steps["read"] for flow in mob.definition().flows.values()]
    assert [(one.dispatch_mode.value, one.collection_policy.type) for one in found] == [
        ("fan_out", "all"),
        ("one_to_one", "all"),
        ("fan_in", "quorum"),
    ]


async def test_a_handler_gets_its_item_and_the_outputs_are_a_list_in_order() -> None:
    run = await reviewed(reviews(), over_sources(max_parallel=3))
    verdicts = run.output("read", list[Verdict])
    assert [one.label for one in verdicts] == [
        f"{source.path} by reader-{index % 2 + 1}" for index, source in enumerate(SOURCES)
    ]
    by_target = run.outputs("read", Verdict)
    assert list(by_target) == [f"reader-{index % 2 + 1}#{index}" for index in range(len(SOURCES))]
    assert list(by_target.values()) == verdicts


async def test_a_step_behind_gets_the_whole_list() -> None:
    mob = reviews()

    @mob.handler
    def total(read: list[Verdict]) -> int:
        return sum(verdict.lines for verdict in read)

    run = await reviewed(mob, over_sources(), step("total", after="read"))
    assert run.output("total", int) == sum(range(len(SOURCES)))


async def test_outputs_are_those_of_each_item_under_every_mode_and_policy() -> None:
    mob = reviews()

    @mob.handler("some")
    async def some(index: int) -> int:
        if index < 2:
            raise ValueError(f"no {index}")
        return index

    run = await reviewed(
        mob,
        over_sources(dispatch="fan_in"),
        step("first", role="some", after="inventory", for_each="steps.inventory", policy="any", max_parallel=1),
        step("three", role="some", after="inventory", for_each="steps.inventory", policy=quorum(3), max_parallel=1),
    )
    assert [one.lines for one in run.outputs("read", Verdict).values()] == list(range(len(SOURCES)))
    assert run.output("first", int) == 2
    assert run.outputs("first", int) == {"some-1#2": 2}
    assert run.output("three", list[int | None]) == [None, None, 2, 3, 4, *[None] * 7]
    assert run.outputs("three", int) == {f"some-1#{index}": index for index in (2, 3, 4)}


async def test_of_items_in_a_loop_those_of_the_latest_iteration_count() -> None:
    mob = Mob("m")

    @mob.handler
    async def shrink(ctx: StepContext, left: list[int]) -> list[int]:
        return left if ctx.iteration == 0 else []

    @mob.handler
    async def double(item: int) -> int:
        return 2 * item

    @mob.handler
    async def done(shrink: list[int]) -> bool:
        return not shrink

    body = [step("shrink"), step("double", after="shrink", for_each="steps.shrink"), step("done", after="double")]
    flow = mob.flow("f", [loop("l", body, until=eq("steps.done", True), max_iterations=3)])
    run = await mob.run(flow, {"left": [1, 2]}, url="memory:")
    assert run.loop_iteration_outputs["l"][0]["double"] == [2, 4]
    assert run.output("double", list[int]) == []
    assert run.outputs("double", int) == {}


async def test_the_schema_of_the_return_annotation_is_that_of_one_item() -> None:
    mob = reviews()
    spec = mob.flow("f", [step("inventory"), over_sources()]).spec.steps["read"]
    assert spec.expected_schema_ref is not None
    assert '"required":["label","lines"]' in spec.expected_schema_ref


async def test_an_item_that_does_not_fit_fails_once_and_says_which_it_is() -> None:
    mob = Mob("m")

    @mob.handler(retries=3)
    async def read(item: Source) -> None:
        raise NotImplementedError(item)

    flow = mob.flow("f", [step("read", for_each="params.files")])
    reason = r"parameter 'item' cannot take the item at index 0: \$\.path: Field required; its annotation says Source"
    with pytest.raises(RunFailedError, match=reason) as caught:
        await mob.run(flow, {"files": [{"lines": 1}]}, url="memory:")
    assert len(caught.value.run.failure_ledger) == 1


async def test_outside_of_items_their_names_are_those_of_any_value() -> None:
    mob = Mob("m")

    @mob.handler
    async def plain(item: str, index: int = 7) -> str:
        return f"{item}{index}"

    flow = mob.flow("f", [step("plain")])
    run = await mob.run(flow, {"item": "x"}, url="memory:")
    assert run.output("plain") == "x7"
    with pytest.raises(RunFailedError, match=r"'item' has no value: .*; only a step with for_each has an item"):
        await mob.run(flow, url="memory:")


async def test_the_items_of_a_run_come_before_its_params_and_a_null_is_an_item() -> None:
    mob = Mob("m")

    @mob.handler
    async def plain(item: str | None, index: int) -> list[Any]:
        return [item, index]

    run = await mob.run(
        mob.flow("f", [step("plain", for_each="params.of")]),
        {"of": ["a", None], "item": "no", "index": "no"},
        url="memory:",
    )
    assert run.output("plain") == [["a", 0], [None, 1]]


class Files(BaseModel):
    files: list[str]


async def test_items_may_be_those_of_params_that_are_a_model() -> None:
    mob = Mob("m")

    @mob.handler
    def length(item: str) -> int:
        return len(item)

    flow = mob.flow("f", [step("length", for_each="params.files")])
    run = await mob.run(flow, Files(files=["a", "bcd"]), url="memory:")
    assert run.output("length", list[int]) == [1, 3]
    with pytest.raises(ValidationError, match=r"step 'length' of run .* is no list\[str\]"):
        run.output("length", list[str])


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"for_each": "steps.inventry"}, "'steps.inventry': the flow has no step 'inventry' (nearest: 'inventory')"),
        ({"max_parallel": 0}, "flow 'f': steps.read.max_parallel: "),
        ({"for_each": None, "max_parallel": 2}, "max_parallel = 2 bounds the items of for_each"),
        ({"for_each": "steps.read"}, "step 'read' is the step itself"),
    ],
)
def test_what_makes_no_sense_is_told_when_it_is_written(more: dict[str, Any], problem: str) -> None:
    mob = reviews()
    fields: dict[str, Any] = {"for_each": "steps.inventory", **more}
    with pytest.raises(DefinitionError) as caught:
        mob.flow("f", [step("inventory"), step("read", role="reader", after="inventory", **fields)])
    assert problem in str(caught.value)
