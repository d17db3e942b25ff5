"""Sends signals to runs, each checked by what its run was started with, and finds the steps that took them."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from redis_mob.codec.arguments import optional_valid_text, valid_text
from redis_mob.codec.definitions import flow_of_run
from redis_mob.contracts import ExecutionStore
from redis_mob.errors import CasConflictError, NotFoundError, ValidationError, nearest, shortened, shown
from redis_mob.fleet.definitions import Definitions
from redis_mob.fleet.outcome import MAX_OUTPUT_DEPTH, most_bytes, too_long
from redis_mob.fleet.schemas import check_schema
from redis_mob.fleet.typed.outputs import output_json
from redis_mob.models.signal import Sent, Signal, Taken
from redis_mob.models.transition import RunView
from redis_mob.notifications.wake_up_flag import SWEEP_SECONDS

MAX_PAYLOAD_DEPTH = MAX_OUTPUT_DEPTH - 1
"""How deep a payload may be nested: the output of the step that takes it wraps it in one level more."""

KNOWN_RUNS = 256
"""Runs of which it is remembered what they wait for: it never changes."""

FIRST_PAUSE_SECONDS = 0.01
"""How long after a change of a run another one is waited for before it is read again; then twice as long, and so on."""


class _Terms(NamedTuple):
    """What the steps of a run wait for: the schema of each signal that has one, and how long a payload may be."""

    flow_id: str
    steps: dict[str, str]
    """A step that waits for it, by signal."""
    schemas: dict[str, Any]
    most_bytes: int


class Signals:
    """Sends signals to the runs of a namespace, of any mob."""

    def __init__(self, executions: ExecutionStore, namespace: str) -> None:
        self._executions = executions
        self._namespace = namespace
        self._definitions = Definitions(executions)
        self._known: dict[str, _Terms] = {}

    async def send(self, run_id: str, name: str, payload: Any = None, *, idempotency_key: str | None = None) -> Sent:
        """Send a signal; see `Fleet.signal`."""
        valid_text("name", name)
        optional_valid_text("idempotency_key", idempotency_key)
        terms = await self._terms(run_id)
        if name not in terms.steps:
            near = nearest(name, terms.steps, most=3) if terms.steps else "none of them waits for any"
            raise NotFoundError(f"no step of flow {shown(terms.flow_id)} waits for a signal {shown(name)}; {near}")
        try:
            payload = output_json(payload, MAX_PAYLOAD_DEPTH)
            if name in terms.schemas:
                check_schema(payload, terms.schemas[name])
        except ValueError as error:
            raise ValidationError(f"the payload of signal {shown(name)} is refused: {shortened(error)}") from None
        if (problem := too_long(payload, terms.most_bytes, "send")) is not None:
            raise ValidationError(f"the payload of signal {shown(name)} is {problem}")
        signal = Signal(name=name, payload=payload)
        return await self._executions.send_signal(run_id, signal, idempotency_key=idempotency_key)

    async def taken(self, run_id: str, number: int) -> Taken:
        """The step that takes a signal, once it has. Raises CasConflictError if the run ends before."""
        pause = FIRST_PAUSE_SECONDS
        async with self._executions.listen(run_id) as wake_up:
            while True:
                view = await self._executions.load(run_id)
                if view is None:
                    raise NotFoundError.of_run(run_id, self._namespace)
                if (taken := _taker(view, number)) is not None:
                    return taken
                if view.run.status.is_terminal:
                    raise CasConflictError(f"run {run_id} is {view.run.status}, and no step of it took the signal")
                # all of the run is read each time, so that one with many changes is not read at each of them
                await asyncio.sleep(pause)
                pause = min(2 * pause, SWEEP_SECONDS)
                await wake_up.wait(SWEEP_SECONDS)

    async def _terms(self, run_id: str) -> _Terms:
        terms = self._known.pop(run_id, None)
        if terms is None:
            view = await self._executions.load(run_id)
            if view is None:
                raise NotFoundError.of_run(run_id, self._namespace)
            definition = await self._definitions.of(view)
            flow = flow_of_run(definition, view.run)
            steps = {wait.signal: step_id for step_id, wait in flow.waits.items()}
            schemas = view.launch.schemas
            terms = _Terms(
                view.run.flow_id,
                steps,
                {name: schemas[step_id] for name, step_id in steps.items() if step_id in schemas},
                most_bytes(view.launch),
            )
            if len(self._known) >= KNOWN_RUNS:
                del self._known[next(iter(self._known))]
        self._known[run_id] = terms
        return terms


def _taker(view: RunView, number: int) -> Taken | None:
    for key, execution in view.executions.items():
        if execution.signal == number:
            iteration = view.run.frames[key.frame_id].kernel_state.body_iteration
            return Taken(execution.step_id, key.node_id, key.frame_id, iteration, execution.output)
    return None
