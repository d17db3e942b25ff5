"""Rules for the paths of messages and conditions: which lead nowhere in every run (contract: definition-17)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property

from redis_mob.errors import TemplateError, nearest, shortened, shown
from redis_mob.kernel.diagnostics import Diagnostic, Severity
from redis_mob.kernel.flow_graph import FlowOrder, Order, loop, step
from redis_mob.kernel.foreign_paths import foreign_path
from redis_mob.kernel.schema_paths import Leads, Schema, inline_schema, leads
from redis_mob.kernel.templates import LITERAL_BRACES, Placeholder, parse, spelled_position, texts, value_texts
from redis_mob.models.conditions import AndCondition, ConditionExpr, NotCondition, OrCondition
from redis_mob.models.flow_spec import (
    CollectAny,
    DispatchMode,
    FlowSpec,
    FlowStepSpec,
    FrameSpec,
    FrameStepSpec,
    RepeatUntilSpec,
)
from redis_mob.models.limits import RateSpec, rates_in

ROOTS = ("params", "steps", "loops")
"""What a path begins with."""

ITEM_ROOTS = ("item", "index")
"""What a path may begin with too, in the message of a step with `for_each`."""

WAIT_KEYS = ("signal", "payload", "timed_out")
"""What the output of a step has that waits for a signal (contract: engine-55)."""

_INDEX = re.compile(r"[0-9]{1,20}")

_OF_ITEM = ("target", "index", "output")

_AT_THE_END = ""
"""Where the output of a flow is looked for: behind all its steps."""

_LOOP_FORM = "loops.<loop>.iterations.<number>.steps.<step>"


def validate_paths(location: str, flow: FlowSpec) -> Iterator[Diagnostic]:
    """Findings about the messages and conditions of a flow; of schemas, those count that are written in it."""
    schemas = {name: inline_schema(one.schema_text) for name, one in flow.steps.items()}
    yield from validate_paths_with(location, flow, inline_schema(flow.params_schema_ref), schemas)


def validate_paths_with(
    location: str, flow: FlowSpec, params: Schema | None, outputs: Mapping[str, Schema | None]
) -> Iterator[Diagnostic]:
    """The same with these schemas of the parameters, and of what the members of each step give."""
    rules = _Rules(flow, params, outputs)
    for step_id, spec in flow.steps.items():
        here = f"{location}.steps.{step_id}"
        for where, template in texts(spec.message):
            yield from rules.template(f"{here}.message{where}", step(step_id), template)
        for field, template in _limit_templates(spec):
            yield from rules.template(f"{here}.{field}", step(step_id), template)
        for where, template in value_texts(spec.params):
            yield from rules.template(f"{here}.params{where}", step(step_id), template)
        if spec.condition is not None:
            yield from rules.condition(f"{here}.condition", step(step_id), spec.condition)
        if spec.for_each is not None:
            yield from rules.items(f"{here}.for_each", step(step_id), spec.for_each)
    for field, template in _limit_templates(flow):
        yield from rules.limit_of_flow(f"{location}.{field}", template)
    if flow.root is not None:
        for here, node in _loops(f"{location}.root", flow.root):
            yield from rules.condition(f"{here}.until", loop(node.loop_id), node.until)
    if flow.output is not None:
        yield from rules.output(f"{location}.output", flow.output)


def _limit_templates(limited: FlowStepSpec | FlowSpec) -> Iterator[tuple[str, str]]:
    """The templates of its limits, keys and units, behind the field of each."""
    if limited.concurrency is not None and limited.concurrency.key is not None:
        yield "concurrency.key", limited.concurrency.key
    for number, rate in enumerate(rates_in(limited.rate)):
        field = "rate" if isinstance(limited.rate, RateSpec) else f"rate[{number}]"
        if rate.key is not None:
            yield f"{field}.key", rate.key
        if isinstance(rate.units, str):
            yield f"{field}.units", rate.units


def _loops(location: str, frame: FrameSpec) -> Iterator[tuple[str, RepeatUntilSpec]]:
    for name, node in frame.nodes.items():
        if isinstance(node, RepeatUntilSpec):
            here = f"{location}.nodes.{name}"
            yield here, node
            yield from _loops(f"{here}.body", node.body)


@dataclass(frozen=True, slots=True)
class _Problem:
    """Why a path leads nowhere; a warning if it may lead somewhere all the same."""

    code: str
    text: str
    severity: Severity = Severity.ERROR
    is_foreign: bool = False
    """It looks like something of another language, so that its braces may be meant as text."""


def _unknown(text: str, severity: Severity = Severity.ERROR, *, is_foreign: bool = False) -> _Problem:
    return _Problem("path_unknown", text, severity, is_foreign)


@dataclass(frozen=True)
class _Rules:
    """What the paths of one flow may name."""

    flow: FlowSpec
    params: Schema | None
    outputs: Mapping[str, Schema | None]

    def template(self, location: str, this: str, template: str) -> Iterator[Diagnostic]:
        """Findings about one text of a message of this step."""
        return _of_template(location, template, lambda path: self._problem_of_message(path, this))

    def limit_of_flow(self, location: str, template: str) -> Iterator[Diagnostic]:
        """Findings about a limit of the flow, which is the same for all its steps."""
        return _of_template(location, template, self._problem_of_limit)

    def _problem_of_limit(self, path: str) -> _Problem | None:
        if path.split(".")[0] != "params":
            return _unknown("a limit of a flow counts all its steps, so that its key and units may name params alone")
        return self._problem(path, "")

    def condition(self, location: str, this: str, condition: ConditionExpr) -> Iterator[Diagnostic]:
        """Findings about a condition of this step, or of this loop."""
        match condition:
            case AndCondition(exprs=exprs) | OrCondition(exprs=exprs):
                for index, expr in enumerate(exprs):
                    yield from self.condition(f"{location}.exprs[{index}]", this, expr)
            case NotCondition(expr=expr):
                yield from self.condition(f"{location}.expr", this, expr)
            case _:
                if (problem := self._problem(condition.path, this)) is not None:
                    text = f"{shown(condition.path)}: {problem.text}"
                    yield Diagnostic(problem.code, text, f"{location}.path", problem.severity)

    def items(self, location: str, this: str, path: str) -> Iterator[Diagnostic]:
        """Findings about the path to the items of this step."""
        if (problem := self._problem(path, this)) is not None:
            yield Diagnostic(problem.code, f"{shown(path)}: {problem.text}", location, problem.severity)
            return
        if (text := self._no_list(path, this)) is not None:
            yield Diagnostic("for_each_no_list", f"{shown(path)}: {text}", location)

    def output(self, location: str, path: str) -> Iterator[Diagnostic]:
        """Findings about the path to the output of the flow."""
        if (problem := self._problem(path, _AT_THE_END)) is not None:
            yield Diagnostic(problem.code, f"{shown(path)}: {problem.text}", location, problem.severity)

    def _no_list(self, path: str, this: str) -> str | None:
        """Why a path leads to no list in every run; None if it may lead to one."""
        match path.split("."):
            case ["steps", step_id] | ["steps", step_id, "output"]:
                spec, named = self.flow.steps[step_id], f"steps.{shortened(step_id)}"
                if spec.wait_for is not None:
                    keys = ", ".join(WAIT_KEYS)
                    return f"it leads to an object with {keys}, and for_each needs a list: write {named}.payload"
                if _is_by_member(spec):
                    return (
                        "it leads to an object from member to value, and for_each needs a list: write "
                        f'{named}.{shortened(spec.role)}-1, or give the step collection_policy = {{ type = "any" }}'
                    )
            case _:
                pass
        problem = self._problem(f"{path}.0", this)
        if problem is not None and problem.severity is Severity.ERROR:
            return "it leads to what is no list, and for_each needs one"
        return None

    def _problem_of_message(self, path: str, this: str) -> _Problem | None:
        root, *keys = path.split(".")
        has_items = any(step(name) == this and spec.for_each is not None for name, spec in self.flow.steps.items())
        if root in ITEM_ROOTS and not _no_path(path):
            if not has_items:
                return _unknown(f"only a step with for_each has {shown(root)}")
            return _unknown("it is a number, which has no keys") if root == "index" and keys else None
        return self._problem(path, this)

    @cached_property
    def _order(self) -> FlowOrder:
        return FlowOrder(self.flow)

    @cached_property
    def _bodies(self) -> Mapping[str, tuple[RepeatUntilSpec, dict[str, None]]]:
        """Each loop with the steps that its own nodes run."""
        found = _loops("", self.flow.root) if self.flow.root is not None else ()
        return {
            node.loop_id: (
                node,
                {one.step_id: None for one in node.body.nodes.values() if isinstance(one, FrameStepSpec)},
            )
            for _, node in found
        }

    def _problem(self, path: str, this: str) -> _Problem | None:
        match path.split("."):
            case ["params", *keys]:
                said = leads(self.params, keys)
                return None if said.is_known else _no_path(path) or _no_key("params", keys, said, "params_schema_ref")
            case ["steps", step_id, *keys]:
                return _no_path(path) or self._step(path, step_id, keys, this)
            case ["loops", loop_id, *keys]:
                return _no_path(path) or self._loop(loop_id, keys, this)
            case [root, *_]:
                return _no_path(path) or self._root(root)
            case _:  # a text that is split has a part
                return None

    def _root(self, root: str) -> _Problem:
        if root in ROOTS:
            return _unknown(f"it names no {root[:-1]}: write {root}.<{root[:-1]}>, as in steps.draft")
        inside = {name: f"params.{name}" for name in leads(self.params, [""]).known}
        inside |= {name: f"steps.{name}" for name in self.flow.steps}
        near = [inside[root]] if root in inside else get_close_matches(root, ROOTS, n=1)
        hint = f" (nearest: {shown(near[0])})" if near else ""
        return _unknown(f"it begins with {shown(root)}, which is none of {', '.join(ROOTS)}{hint}", is_foreign=True)

    def _step(self, path: str, step_id: str, keys: list[str], this: str) -> _Problem | None:
        spec = self.flow.steps.get(step_id)
        if spec is None:
            return self._no_step(path, step_id)
        problem = self._too_early(step(step_id), this, f"step {shown(step_id)}")
        if problem is not None and problem.severity is Severity.ERROR:
            return problem
        keys = keys[1:] if keys[:1] == ["output"] else keys
        return self._no_output(step_id, spec, keys) or problem

    def _no_step(self, path: str, step_id: str) -> _Problem:
        dotted = [name for name in self.flow.steps if "." in name and f"{path}.".startswith(f"steps.{name}.")]
        if dotted:
            return _unknown(f"the id {shown(dotted[0])} has a dot, which separates in a path: rename the step")
        return _unknown(f"the flow has no step {shown(step_id)} ({nearest(step_id, self.flow.steps)})")

    def _too_early(self, other: str, this: str, named: str) -> _Problem | None:
        if this == _AT_THE_END:
            return None
        match self._order.of(other, this):
            case Order.AFTER if other == this:
                return _Problem("path_not_before", f"{named} is the step itself, which has no output yet")
            case Order.AFTER:
                return _Problem("path_not_before", f"{named} runs after this one, and has no output before")
            case Order.BESIDE:
                text = (
                    f"nothing says that {named} runs before: let this step depend on it, by depends_on or "
                    "after=, or what it gives may not be there"
                )
                # what is beside a loop may be over at a later iteration; the loop may even wait for that
                severity = Severity.WARNING if self._order.is_repeated(this) else Severity.ERROR
                return _Problem("path_not_before", text, severity)
            case _:
                return None

    def _no_output(self, step_id: str, spec: FlowStepSpec, keys: list[str]) -> _Problem | None:
        """What is wrong with keys into the aggregate of a step (contract: engine-14)."""
        schema, named = self.outputs.get(step_id), f"steps.{step_id}"
        if spec.for_each is not None:
            return _no_output_of_items(step_id, spec, keys, schema)
        if spec.wait_for is not None:
            match keys:
                case ["payload", *rest]:
                    return _no_key(f"{named}.payload", rest, leads(schema, rest), "wait_for.schema")
                case [key, *_] if key not in WAIT_KEYS:
                    text = f"step {shown(step_id)} waits for a signal, so that {named} has {', '.join(WAIT_KEYS)}"
                    return _unknown(f"{text}, and no {shown(key)} ({nearest(key, WAIT_KEYS)})")
                case _:
                    return None
        if spec.flow is not None:
            return _no_key(named, keys, leads(schema, keys), "expected_schema_ref")
        if spec.dispatch_mode is DispatchMode.FAN_IN:
            match keys:
                case []:
                    return None
                case [number, *_] if not _INDEX.fullmatch(number):
                    return _unknown(
                        f"step {shown(step_id)} is fan_in, so that {named} is a list of target and output: "
                        f"write {named}.0.output, not {shown(number)}"
                    )
                case [_, "output", *rest]:
                    return _no_key(f"{named}.{keys[0]}.output", rest, leads(schema, rest), "expected_schema_ref")
                case [_, key, *_] if key != "target":
                    return _unknown(
                        f"an entry of {named} has target and output, and no {shown(key)} "
                        f"({nearest(key, ('target', 'output'))})"
                    )
                case _:
                    return None
        if isinstance(spec.collection_policy, CollectAny):
            return _no_key(named, keys, leads(schema, keys), "expected_schema_ref")
        match keys:
            case [member, *rest] if _is_member(member, spec.role):
                return _no_key(f"{named}.{member}", rest, leads(schema, rest), "expected_schema_ref")
            case [key, *_]:
                # the members of a run are named by the program that starts it; the fleet names them like this
                return _unknown(
                    f"{named} is an object from member to value: write {named}.{spec.role}-1.{shortened(key)}, or give "
                    f'the step collection_policy = {{ type = "any" }}, unless a member is named {shown(key)}',
                    Severity.WARNING,
                )
            case _:
                return None

    def _loop(self, loop_id: str, keys: list[str], this: str) -> _Problem | None:
        if loop_id not in self._bodies:
            return _unknown(f"the flow has no loop {shown(loop_id)} ({nearest(loop_id, self._bodies)})")
        node, steps = self._bodies[loop_id]
        problem = self._too_early(loop(loop_id), this, f"loop {shown(loop_id)}")
        if problem is not None and problem.severity is Severity.ERROR:
            return problem
        match keys:
            case ["iterations", number, "steps", step_id, *rest]:
                if not _INDEX.fullmatch(number):
                    return _unknown(f"{shown(number)} is no number of an iteration; they count from 0")
                if int(number) >= node.max_iterations:
                    return _unknown(f"the loop has at most {node.max_iterations} iterations, which count from 0")
                if step_id not in steps:
                    return _unknown(f"the body of the loop has no step {shown(step_id)} ({nearest(step_id, steps)})")
                spec = self.flow.steps.get(step_id)
                return problem if spec is None else self._no_output(step_id, spec, rest) or problem
            case _:
                return _unknown(f"a path into a loop is {_LOOP_FORM}")


def _of_template(location: str, template: str, problem_of: Callable[[str], _Problem | None]) -> Iterator[Diagnostic]:
    """Findings about a text and each of the paths that stand in it."""
    try:
        parts = parse(template)
    except TemplateError as error:
        yield Diagnostic("template_invalid", str(error), location)
        return
    for part in parts:
        if isinstance(part, Placeholder) and (problem := problem_of(part.path)) is not None:
            position = spelled_position(template, part.start)
            hint = f"; {LITERAL_BRACES}" if problem.is_foreign else ""
            yield Diagnostic(problem.code, f"{position}: {part}: {problem.text}{hint}", location, problem.severity)


def _is_by_member(spec: FlowStepSpec) -> bool:
    """Whether the aggregate of a step is an object from member to value."""
    has_another = spec.dispatch_mode is DispatchMode.FAN_IN or isinstance(spec.collection_policy, CollectAny)
    return spec.has_members and spec.for_each is None and not has_another


def _no_path(path: str) -> _Problem | None:
    text = foreign_path(path)
    return None if text is None else _unknown(text, is_foreign=True)


def _no_output_of_items(step_id: str, spec: FlowStepSpec, keys: list[str], schema: Schema | None) -> _Problem | None:
    """What is wrong with keys into the aggregate of a step with `for_each` (contract: engine-43)."""
    named, is_fan_in = f"steps.{step_id}", spec.dispatch_mode is DispatchMode.FAN_IN
    if isinstance(spec.collection_policy, CollectAny) and not is_fan_in:
        return _no_key(named, keys, leads(schema, keys), "expected_schema_ref")
    match keys:
        case []:
            return None
        case [number, *_] if not _INDEX.fullmatch(number):
            return _unknown(f"step {shown(step_id)} has for_each, so that {named} is a list: write {named}.0")
        case [_, key, *_] if is_fan_in and key not in _OF_ITEM:
            text = f"an entry of {named} has {', '.join(_OF_ITEM)}, and no {shown(key)} ({nearest(key, _OF_ITEM)})"
            return _unknown(text)
        case [number, "output", *rest] if is_fan_in:
            return _no_key(f"{named}.{number}.output", rest, leads(schema, rest), "expected_schema_ref")
        case [number, *rest] if not is_fan_in:
            return _no_key(f"{named}.{number}", rest, leads(schema, rest), "expected_schema_ref")
        case _:
            return None


def _no_key(named: str, keys: list[str], said: Leads, declared: str) -> _Problem | None:
    if said.unknown is None:
        return None
    here = ".".join([named, *keys[: said.unknown]])
    key = keys[said.unknown]
    return _unknown(f"by its {declared}, {shortened(here)} has no {shown(key)} ({nearest(key, said.known)})")


def _is_member(name: str, role: str) -> bool:
    return name.startswith(f"{role}-") and _INDEX.fullmatch(name[len(role) + 1 :]) is not None
