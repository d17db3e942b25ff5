"""What validation says of steps with `for_each` (contract: definition-24)."""

from __future__ import annotations

from typing import Any

import pytest

from redis_mob.kernel.context import ConditionContext
from redis_mob.kernel.paths import MISSING, Resolved, resolve
from redis_mob.kernel.templates import render
from redis_mob.kernel.validation import validate
from redis_mob.models.execution import Item
from redis_mob.models.flow_spec import DispatchMode
from tests.fleet.flows import mob, step, wait


def said(find: dict[str, Any] | None = None, **each: Any) -> list[tuple[str, str]]:
    """(code, message) of what is found of a step `each` over items, which follows `find` and is followed by `last`."""
    message = each.pop("after", "m")
    steps = {
        "find": step(**(find or {"policy": "any"})),
        "each": step("find", **{"for_each": "steps.find", **each}),
        "last": step("each", message=message),
    }
    return [(one.code, one.message) for one in validate(mob(steps))]


@pytest.mark.parametrize("path", ["params.files", "steps.find", "steps.find.output", "steps.find.files.0"])
@pytest.mark.parametrize("mode", list(DispatchMode))
@pytest.mark.parametrize("policy", ["all", "any", 2, 255])
def test_every_mode_and_policy_goes_with_items(path: str, mode: DispatchMode, policy: Any) -> None:
    assert said(for_each=path, dispatch_mode=mode, policy=policy, max_parallel=1) == []


@pytest.mark.parametrize(
    ("path", "code", "complaint"),
    [
        ("steps.fnd", "path_unknown", "'steps.fnd': the flow has no step 'fnd' (nearest: 'find')"),
        ("steps.last", "path_not_before", "'steps.last': step 'last' runs after this one, and has no output before"),
        ("steps.each", "path_not_before", "'steps.each': step 'each' is the step itself, which has no output yet"),
        ("loops.l.iterations.0.steps.a", "path_unknown", "the flow has no loop 'l'"),
        ("param.files", "path_unknown", "it begins with 'param'"),
        ("item", "path_unknown", "it begins with 'item'"),
        ("", "path_unknown", "it begins with ''"),
        ("steps.find | sorted", "path_unknown", "there are no filters"),
    ],
)
def test_a_path_that_leads_nowhere_is_an_error(path: str, code: str, complaint: str) -> None:
    [(found, text)] = said(for_each=path)
    assert found == code
    assert complaint in text


def test_the_answers_of_all_members_are_no_list() -> None:
    assert said({"policy": "all"}) == [
        (
            "for_each_no_list",
            "'steps.find': it leads to an object from member to value, and for_each needs a list: write "
            'steps.find.worker-1, or give the step collection_policy = { type = "any" }',
        )
    ]
    assert said({"policy": "all"}, for_each="steps.find.worker-1") == []
    assert said({"dispatch_mode": DispatchMode.FAN_IN}) == []
    assert said({"for_each": "params.x"}) == []


@pytest.mark.parametrize(
    ("schema", "path", "is_list"),
    [
        ('{"type":"array","items":{"type":"string"}}', "steps.find", True),
        ('{"type":"object","properties":{"files":{"type":"array","items":{}}}}', "steps.find.files", True),
        ('{"type":"object"}', "steps.find.files", True),
        ("{}", "steps.find", True),
        (
            '{"$ref":"#/$defs/L","$defs":{"L":{"anyOf":[{"type":"array","items":{}},{"type":"null"}]}}}',
            "steps.find",
            True,
        ),
        ('{"type":"object","properties":{"files":{"type":"array","items":{}}}}', "steps.find", False),
        ('{"type":"object","properties":{"count":{"type":"integer"}}}', "steps.find.count", False),
        ('{"type":"string"}', "steps.find", False),
    ],
)
def test_what_its_schema_says_to_be_no_list_is_an_error(schema: str, path: str, is_list: bool) -> None:
    complaint = ("for_each_no_list", f"'{path}': it leads to what is no list, and for_each needs one")
    find = {"policy": "any", "expected_schema_ref": schema}
    assert said(find, for_each=path) == ([] if is_list else [complaint])


def test_params_that_are_no_list_by_their_schema_are_an_error() -> None:
    flow = mob({"each": step(for_each="params.files")}).flows["flow"]
    for schema, found in (('{"properties":{"files":{"type":"string"}}}', 1), ('{"properties":{"files":{}}}', 0)):
        given = flow.model_copy(update={"params_schema_ref": schema})
        definition = mob({"each": step()})
        assert len(validate(definition.model_copy(update={"flows": {"flow": given}}))) == found


def test_a_signal_is_no_list_and_its_payload_may_be_one() -> None:
    def said_of(path: str) -> list[str]:
        steps = {"approval": wait(), "each": step("approval", for_each=path)}
        return [str(one) for one in validate(mob(steps))]

    assert said_of("steps.approval.payload") == said_of("steps.approval.payload.files") == []
    assert said_of("steps.approval") == [
        "error[for_each_no_list] flows.flow.steps.each.for_each: 'steps.approval': it leads to an object with signal, "
        "payload, timed_out, and for_each needs a list: write steps.approval.payload"
    ]


def test_a_step_that_waits_has_no_items() -> None:
    waiting = wait().model_copy(update={"for_each": "params.x", "max_parallel": 2})
    [found] = validate(mob({"a": waiting, "b": step()}))
    assert (found.code, found.message) == (
        "wait_invalid",
        "the step waits for a signal and has no members: for_each, max_parallel would mean nothing",
    )


def test_max_parallel_needs_items() -> None:
    [(code, text)] = said(for_each=None, max_parallel=3)
    assert code == "for_each_missing"
    assert text == "max_parallel = 3 bounds the items of for_each, which the step does not have"


@pytest.mark.parametrize("message", ["{{ item }} {{ index }}", "{{ item.name.0 }}", "{{ steps.find }}"])
def test_the_message_of_such_a_step_may_name_its_item(message: str) -> None:
    assert said(message=message) == []


@pytest.mark.parametrize("name", ["item", "item.x", "index"])
def test_no_other_message_may(name: str) -> None:
    root = name.partition(".")[0]
    complaint = f"line 1, column 1 (byte 0): {{{{ {name} }}}}: only a step with for_each has '{root}'"
    assert said(after=f"{{{{ {name} }}}}") == [("path_unknown", complaint)]


def test_an_index_has_no_keys() -> None:
    [(_, text)] = said(message="{{ index.x }}")
    assert text.endswith("it is a number, which has no keys")


@pytest.mark.parametrize(
    ("key", "more", "complaint"),
    [
        ("0", {}, None),
        ("0.name", {}, None),
        ("name", {"policy": "any"}, None),
        ("worker-1", {}, "step 'each' has for_each, so that steps.each is a list: write steps.each.0"),
        ("0.index", {"dispatch_mode": DispatchMode.FAN_IN}, None),
        ("0.output.x", {"dispatch_mode": DispatchMode.FAN_IN}, None),
        (
            "0.ouput",
            {"dispatch_mode": DispatchMode.FAN_IN},
            "an entry of steps.each has target, index, output, and no 'ouput' (nearest: 'output')",
        ),
    ],
)
def test_the_aggregate_over_items_is_a_list(key: str, more: dict[str, Any], complaint: str | None) -> None:
    found = [text for _, text in said(after=f"{{{{ steps.each.{key} }}}}", **more)]
    assert [text.partition(" }}: ")[2] for text in found] == ([] if complaint is None else [complaint])


def context(item: Item | None = None) -> ConditionContext:
    return ConditionContext({}, {}, {}, item)


def test_an_item_is_seen_where_there_is_one() -> None:
    seen = context(Item(index=2, items=3, value={"name": ["x"]}))
    assert resolve("item.name.0", seen) == Resolved("x")
    assert resolve("index", seen) == Resolved(2)
    assert render("{{ index }}{{ item }}", seen).message == '2{"name":["x"]}'
    for path in ("item", "index", "item.name"):
        assert resolve(path, context()) is MISSING
    assert resolve("item", context(Item(index=0, items=1))) == Resolved(None)
