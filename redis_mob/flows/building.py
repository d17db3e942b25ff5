"""Makes the specification of a flow from its steps and loops."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, NoReturn

from redis_mob.errors import DefinitionError, did_you_mean, shown
from redis_mob.flows.conditions import check_condition
from redis_mob.flows.nodes import Concurrency, Loop, Rate, Step
from redis_mob.flows.roles import Role, output_schema, schema_of
from redis_mob.flows.values import milliseconds, model_of
from redis_mob.kernel.flow_rules import MAX_DEPTH
from redis_mob.models.flow_spec import FlowSpec

Nodes = Sequence[Step | Loop]


def bounded(concurrency: Concurrency | None) -> Any:
    """A limit of concurrency as its fields, or as its model."""
    is_number = isinstance(concurrency, int) and not isinstance(concurrency, bool)
    return {"limit": concurrency} if is_number else concurrency


def flow_spec(
    flow_id: str,
    nodes: Nodes,
    roles: Mapping[str, Role],
    description: str | None,
    concurrency: Concurrency | None = None,
    rate: Rate | None = None,
    output: str | None = None,
    budget: Any = None,
) -> FlowSpec:
    """The flow of these steps and loops; it has a root frame only if there are loops.

    Raises DefinitionError naming the flow and its part, for an id that is taken, a role or a dependency that is not
    there, a body that is empty, or a value that does not fit its field.
    """
    limits = {"concurrency": bounded(concurrency), "rate": rate, "budget": budget}
    return _Builder(flow_id, roles).spec(nodes, description, output, limits)


class _Builder:
    def __init__(self, flow_id: str, roles: Mapping[str, Role]) -> None:
        self._flow = f"flow {shown(flow_id)}"
        self._roles = roles
        self._home: dict[str, str | None] = {}
        """The loop that each step and loop is in; None for the flow itself."""

    def spec(self, nodes: Nodes, description: str | None, output: str | None, limits: Mapping[str, Any]) -> FlowSpec:
        if not nodes:
            self._refuse("it has no steps; give it one at least")
        self._register(nodes, None, 0)
        self._check(nodes, None)
        has_loops = any(isinstance(node, Loop) for node in nodes)
        steps = {step.id: self._step(step, is_in_frame=has_loops) for step in _steps(nodes)}
        document = {"description": description, "steps": steps, "root": self._frame(nodes) if has_loops else None}
        return model_of(self._flow, FlowSpec, **document, output=output, **limits)

    def _refuse(self, problem: str) -> NoReturn:
        raise DefinitionError(f"{self._flow}: {problem}")

    def _register(self, nodes: Nodes, home: str | None, depth: int) -> None:
        if depth > MAX_DEPTH:
            self._refuse(f"loops are nested deeper than {MAX_DEPTH} levels")
        for node in nodes:
            if not isinstance(node, Step | Loop):  # pyright: ignore[reportUnnecessaryIsInstance]
                self._refuse(f"{shown(node)} is neither a step nor a loop: make it with step(...) or loop(...)")
            if node.id in self._home:
                self._refuse(f"two of its steps or loops have the id {shown(node.id)}; each needs one of its own")
            self._home[node.id] = home
            if isinstance(node, Loop):
                if not node.body:
                    self._refuse(f"the body of loop {shown(node.id)} is empty; give it a step at least")
                self._register(node.body, node.id, depth + 1)
                check_condition(f"{self._flow}: loop {shown(node.id)}: until", node.until)
            elif node.when is not None:
                check_condition(f"{self._flow}: step {shown(node.id)}: when", node.when)

    def _check(self, nodes: Nodes, home: str | None) -> None:
        for node in nodes:
            for name in node.after:
                if name not in self._home:
                    hint = did_you_mean(name, self._home)
                    self._refuse(f"{_said(node)} comes after {shown(name)}, of which there is none{hint}")
                if self._home[name] != home:
                    self._refuse(f"{_said(node)} cannot wait for {shown(name)}{self._elsewhere(name, home)}")
            if isinstance(node, Loop):
                self._check(node.body, node.id)

    def _elsewhere(self, name: str, home: str | None) -> str:
        inner = self._home[name]
        if inner is None:
            return f", which is outside of loop {shown(home)}: let the loop wait for it"
        return f", which is inside of loop {shown(inner)}: let it wait for the loop"

    def _step(self, step: Step, *, is_in_frame: bool) -> dict[str, Any]:
        schema = schema_of(step.schema, f"{self._flow}: step {shown(step.id)}")
        return {
            "message": step.message,
            "depends_on": () if is_in_frame else step.after,
            "depends_on_mode": "all" if is_in_frame else step.mode,
            "condition": step.when,
            "branch": step.branch,
            **self._done_by(step, schema),
        }

    def _done_by(self, step: Step, schema: str | None) -> dict[str, Any]:
        """What a step says of who does it: members, a signal, or a run of another flow."""
        if step.signal is not None:
            return {"wait_for": self._wait(step, schema)}
        return self._of_members(step, schema) if step.flow is None else self._of_flow(step, schema)

    def _of_flow(self, step: Step, schema: str | None) -> dict[str, Any]:
        given = {
            "dispatch_mode": step.dispatch,
            "collection_policy": {"type": step.policy} if isinstance(step.policy, str) else step.policy,
            "output_format": step.output_format,
            "isolation": "process" if step.isolated else None,
            "allowed_tools": step.allowed_tools,
            "blocked_tools": step.blocked_tools,
            "role": step.role,
        }
        return {
            **{name: value for name, value in given.items() if value is not None},
            "flow": step.flow if isinstance(step.flow, str | None) else step.flow.id,
            "params": step.params,
            "timeout_ms": None if step.timeout is None else self._milliseconds(step, step.timeout),
            "expected_schema_ref": schema,
            "retry": self._retry(step, step.retries),
            "for_each": step.for_each,
            "max_parallel": step.max_parallel,
        }

    def _wait(self, step: Step, schema: str | None) -> dict[str, Any]:
        timeout = None if step.timeout is None else self._milliseconds(step, step.timeout)
        return {"signal": step.signal, "timeout_ms": timeout, "on_timeout": step.on_timeout, "schema": schema}

    def _of_members(self, step: Step, schema: str | None) -> dict[str, Any]:
        """What a step says of the members that do it."""
        name, role = self._role(step)
        is_shared = role.members > 1 or step.policy is not None or step.for_each is not None
        dispatch = step.dispatch or ("fan_out" if is_shared else "one_to_one")
        given = "any" if dispatch == "one_to_one" and step.for_each is None else "all"
        policy = given if step.policy is None else step.policy
        output_format = step.output_format
        if schema is None and output_format is None and (derived := output_schema(role)) is not None:
            # What a handler returns as text is the text, and not JSON to be parsed, for it says so.
            schema, output_format = derived, "text"
        retries = role.retries if step.retries is None and step.retry is None else step.retries
        timeout = role.timeout if step.timeout is None else step.timeout
        return {
            "role": name,
            "dispatch_mode": dispatch,
            "collection_policy": {"type": policy} if isinstance(policy, str) else policy,
            "timeout_ms": None if timeout is None else self._milliseconds(step, timeout),
            "expected_schema_ref": schema,
            "allowed_tools": step.allowed_tools,
            "blocked_tools": step.blocked_tools,
            "output_format": output_format,
            "retry": self._retry(step, retries),
            "isolation": "process" if step.isolated else None,
            "for_each": step.for_each,
            "max_parallel": step.max_parallel,
            "concurrency": bounded(step.concurrency),
            "rate": step.rate,
        }

    def _role(self, step: Step) -> tuple[str, Role]:
        name = step.id if step.role is None else step.role
        role = self._roles.get(name)
        if role is None:
            given = "" if step.role is not None else ", which is its role as no other is given"
            self._refuse(
                f"step {shown(step.id)}: there is no role {shown(name)}{given}; "
                f"make one with @mob.handler({name!r}), or mob.role({name!r}){did_you_mean(name, self._roles)}"
            )
        return name, role

    def _retry(self, step: Step, retries: int | None) -> Any:
        if step.retry is not None:
            if step.retries is not None:
                self._refuse(f"step {shown(step.id)}: give retries, or attempts within retry, not both")
            return step.retry
        return None if retries is None else {"attempts": self._attempts(step, retries)}

    def _attempts(self, step: Step, retries: int) -> int:
        if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:  # pyright: ignore
            self._refuse(f"step {shown(step.id)}: retries must be a number from 0, not {shown(retries)}")
        return retries + 1

    def _milliseconds(self, step: Step, timeout: float | timedelta) -> int:
        try:
            return milliseconds(timeout)
        except ValueError as error:
            self._refuse(f"step {shown(step.id)}: {error}")

    def _frame(self, nodes: Nodes) -> dict[str, Any]:
        return {"nodes": {node.id: self._node(node) for node in nodes}}

    def _node(self, node: Step | Loop) -> dict[str, Any]:
        joined = {"depends_on": node.after, "depends_on_mode": node.mode}
        if isinstance(node, Step):
            return {"kind": "step", "step_id": node.id, "branch": node.branch, **joined}
        return {
            "kind": "repeat_until",
            "loop_id": node.id,
            "body": self._frame(node.body),
            "until": node.until,
            "max_iterations": node.max_iterations,
            **joined,
        }


def _steps(nodes: Nodes) -> Iterator[Step]:
    for node in nodes:
        if isinstance(node, Step):
            yield node
        else:
            yield from _steps(node.body)


def _said(node: Step | Loop) -> str:
    return f"{'step' if isinstance(node, Step) else 'loop'} {shown(node.id)}"
