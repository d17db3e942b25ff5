"""Random flows: dependencies, branches, quorums, items, nested loops, retries, timeouts, limits, sub-flows, signals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from redis_mob.fleet.step_context import ALL_ROLES
from redis_mob.models.base import FrozenDict, SortedDict
from redis_mob.models.conditions import ConditionExpr, EqCondition, GtCondition, NotCondition
from redis_mob.models.definition import LimitsSpec, MobDefinition
from redis_mob.models.flow_spec import (
    CollectAll,
    CollectAny,
    CollectQuorum,
    DependsOnMode,
    DispatchMode,
    FlowSpec,
    FlowStepSpec,
    FrameSpec,
    FrameStepSpec,
    OnTimeout,
    RepeatUntilSpec,
    RetrySpec,
    WaitSpec,
)
from redis_mob.models.limits import ConcurrencySpec, RateSpec
from redis_mob.models.profile import Profile
from redis_mob.testing.simulation.effects import moody
from redis_mob.testing.simulation.subject import Subject

MOB = "simulated"
FLOW = "flow"
CHILD = "child"
WORKER = "worker"

PARAMS = {"items": [1, None, {"a": [1]}], "empty": [], "single": [0], "many": [0, 1, 2, 3, 4]}
"""The parameters of each run: some steps are over these items."""

NEVER = EqCondition(path="params.none", value=1)
ALWAYS = NotCondition(expr=NEVER)

Node = FrameStepSpec | RepeatUntilSpec


@dataclass
class _Maker:
    random: Random
    is_settled: bool
    steps: dict[str, FlowStepSpec] = field(default_factory=dict[str, FlowStepSpec])
    signals: list[str] = field(default_factory=list[str])
    has_child: bool = False

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def nodes(self, path: str, depth: int, most: int) -> dict[str, Node]:
        names = [f"{path}{number}" for number in range(self.random.randint(1, most))]
        made: dict[str, Node] = {}
        for number, name in enumerate(names):
            needs = tuple(sorted(self.random.sample(names[:number], min(number, self.random.randint(0, 2)))))
            mode = DependsOnMode.ANY if len(needs) > 1 and self.chance(0.3) else DependsOnMode.ALL
            if depth < 2 and self.chance(0.18):
                made[name] = self._loop(name, needs, mode, depth)
                continue
            branch = None if self.is_settled else self.random.choice((None, None, None, "left", "right"))
            self.steps[name] = self._step(name, depth)
            made[name] = FrameStepSpec(step_id=name, depends_on=needs, depends_on_mode=mode, branch=branch)
        return made

    def _loop(self, name: str, needs: Sequence[str], mode: DependsOnMode, depth: int) -> RepeatUntilSpec:
        body = self.nodes(f"{name}x", depth + 1, 2)
        first = f"{name}x0"
        until: ConditionExpr = self.random.choice((ALWAYS, ALWAYS, NEVER))
        if first in self.steps and self.steps[first].has_members and self.steps[first].for_each is None:
            self.steps[first] = FlowStepSpec(
                role=WORKER, message="go", collection_policy=CollectAny(), dispatch_mode=DispatchMode.ONE_TO_ONE
            )
            until = GtCondition(path=f"steps.{first}.round", value=self.random.randint(-1, 1))
        return RepeatUntilSpec(
            loop_id=f"loop-{name}",
            depends_on=tuple(needs),
            depends_on_mode=mode,
            body=FrameSpec(nodes=FrozenDict(body)),
            until=until,
            max_iterations=self.random.randint(1, 3),
        )

    def _step(self, name: str, depth: int) -> FlowStepSpec:
        if depth == 0 and self.chance(0.12):
            return self._wait(name)
        condition = self.random.choice((None, None, None, None, ALWAYS, NEVER))
        if depth == 0 and self.chance(0.1):
            self.has_child = True
            return FlowStepSpec(role="", message="", flow=CHILD, params={"single": [1]}, condition=condition)
        mode = self.random.choice((*DispatchMode, DispatchMode.FAN_OUT))
        more: dict[str, Any] = {}
        has_items = self.chance(0.2)
        if mode is DispatchMode.ONE_TO_ONE and not has_items:
            policy: Any = CollectAny()
        elif self.is_settled or self.chance(0.4):
            policy = CollectAll()
        else:
            policy = self.random.choice((CollectAny(), CollectQuorum(n=1), CollectQuorum(n=2), CollectQuorum(n=2)))
        if has_items:
            more |= {
                "for_each": f"params.{self.random.choice(sorted(PARAMS))}",
                "max_parallel": self.random.choice((None, 1, 2)),
            }
        if self.chance(0.3):
            more["retry"] = RetrySpec(attempts=3, first=self.random.choice((0.2, 2.0)), most=30.0, jitter=0.5)
        if self.chance(0.1):
            more["concurrency"] = ConcurrencySpec(limit=self.random.randint(1, 2))
        if self.chance(0.08):
            more["rate"] = RateSpec(limit=2, per="3s")
        if not self.is_settled and self.chance(0.15):
            more["timeout_ms"] = self.random.choice((50, 1_000, 8_000))
        else:
            more["timeout_ms"] = 600_000
        return FlowStepSpec(
            role=WORKER, message="go", dispatch_mode=mode, collection_policy=policy, condition=condition, **more
        )

    def _wait(self, name: str) -> FlowStepSpec:
        signal = self.random.choice(("go", "stop"))
        timeout = None if self.is_settled else self.random.choice((None, 500, 20_000))
        if timeout is None or self.chance(0.5):
            self.signals.append(signal)
        on_timeout = self.random.choice(tuple(OnTimeout))
        return FlowStepSpec(
            role="", message="", wait_for=WaitSpec(signal=signal, timeout_ms=timeout, on_timeout=on_timeout)
        )


def generated_flow(seed: str) -> Subject:
    """The flow of a seed, with handlers that fail now and then, and the signals for which its steps wait."""
    random = Random(seed)
    maker = _Maker(random, is_settled=random.random() < 0.5)
    root = maker.nodes("n", 0, 4)
    flows = {FLOW: FlowSpec(steps=FrozenDict(maker.steps), root=FrameSpec(nodes=FrozenDict(root)))}
    if maker.has_child:
        child = _Maker(random, maker.is_settled)
        nodes = child.nodes("c", 1, 2)
        flows[CHILD] = FlowSpec(steps=FrozenDict(child.steps), root=FrameSpec(nodes=FrozenDict(nodes)))
    limits: dict[str, Any] = {
        "max_step_retries": random.randint(1, 2),
        "max_active_nodes": random.choice((0, 0, 1, 3)),
        "max_active_frames": random.choice((0, 0, 1)),
        "max_flow_duration_ms": 3_600_000,
    }
    if random.random() < 0.15:
        limits["max_concurrency"] = {WORKER: random.randint(1, 3)}
    if not maker.is_settled and random.random() < 0.1:
        limits["max_flow_duration_ms"] = random.choice((3_000, 15_000))
    definition = MobDefinition(
        id=MOB,
        profiles=SortedDict({WORKER: Profile(model="none")}),
        flows=SortedDict(flows),
        limits=LimitsSpec.model_validate(limits),
    )
    signals = list(maker.signals)
    if signals and not maker.is_settled and random.random() < 0.3:
        signals.append(random.choice(signals))
    return Subject(
        definition,
        FLOW,
        {ALL_ROLES: moody(seed, is_settled=maker.is_settled)},
        {WORKER: random.randint(2, 3)},
        PARAMS,
        maker.is_settled,
        # the steps of a settled flow may take them in any order
        tuple((name, 0 if maker.is_settled else number) for number, name in enumerate(signals)),
    )
