"""What telemetry is told of the starts of runs: a span, whose context is stored with the run, and a count.

contract: telemetry-2
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, TypeVar

from redis_mob.models.execution import Execution, RunLaunch
from redis_mob.models.run import MobRun
from redis_mob.models.transition import RunView
from redis_mob.telemetry import active, names
from redis_mob.telemetry.labels import labels_of
from redis_mob.telemetry.store_calls import error_type_of

if TYPE_CHECKING:
    from opentelemetry.trace import Span


T = TypeVar("T", bool, str)


class StartOfRun:
    """The start of one run, while telemetry is on."""

    def __init__(self, run: MobRun, release: str | None, span: Span | None, *, is_of_worker: bool) -> None:
        self._run = run
        self._release = release
        self._span = span
        self._is_of_worker = is_of_worker

    def traced(self, launch: RunLaunch) -> RunLaunch:
        """The launch, with the context of the span if there is one."""
        if self._span is None:
            return launch
        from redis_mob.telemetry.spans import traceparent_of

        return launch.model_copy(update={"trace": traceparent_of(self._span)})

    async def told(self, starting: Awaitable[T]) -> T:
        """What starting it returns, whether the run is new or the id of the one that begins, or raises."""
        if self._span is None:
            started = await starting
        else:
            started = await self._within(self._span, starting)
        if self._is_new(started) and active.instruments is not None:
            labels = labels_of(self._run.mob_id, self._run.flow_id, release=self._release)
            active.instruments.count(names.RUN_STARTED, labels)
        return started

    async def _within(self, span: Span, starting: Awaitable[T]) -> T:
        from opentelemetry.trace import use_span

        from redis_mob.telemetry.spans import end, fail

        with use_span(span, record_exception=False, set_status_on_exception=False):
            try:
                started = await starting
            except BaseException as error:
                fail(span, error_type_of(error))
                end(span)
                raise
        if self._is_new(started) or not self._is_of_worker:
            if not self._is_new(started):
                span.set_attribute(names.IS_NEW, False)
            end(span)
        # else another worker has started it, and told so
        return started

    def _is_new(self, started: bool | str) -> bool:
        return started is True or started == self._run.run_id


def start_of_run(run: MobRun, launch: RunLaunch, *, is_of_worker: bool = False) -> StartOfRun | None:
    """The start of a run by a program, within its current span, or by the schedule that a worker fires; None if
    telemetry is off."""
    if not active.is_on():
        return None
    span = None if active.spans is None else active.spans.start_of_run(_attributes(run, launch))
    return StartOfRun(run, launch.release, span, is_of_worker=is_of_worker)


def start_of_child(run: MobRun, launch: RunLaunch, view: RunView, execution: Execution) -> StartOfRun | None:
    """The start of the run of a step with a sub-flow: its span is that of the step, within the run above."""
    if not active.is_on():
        return None
    span = None
    if active.spans is not None:
        attributes = {
            **_attributes(run, launch),
            names.PARENT_RUN_ID: view.run.run_id,
            names.STEP_ID: execution.step_id,
        }
        span = active.spans.start_of_child(attributes, start=view.launch.trace, before=execution.trace)
    return StartOfRun(run, launch.release, span, is_of_worker=True)


def traced(start: StartOfRun | None, launch: RunLaunch) -> RunLaunch:
    """The launch, with the context of the span of the start if there is one."""
    return launch if start is None else start.traced(launch)


def told(start: StartOfRun | None, starting: Awaitable[T]) -> Awaitable[T]:
    """The same call, told if telemetry is on."""
    return starting if start is None else start.told(starting)


def _attributes(run: MobRun, launch: RunLaunch) -> dict[str, str]:
    attributes = {names.MOB_ID: run.mob_id, names.FLOW_ID: run.flow_id, names.RUN_ID: run.run_id}
    return attributes if launch.release is None else {**attributes, names.RELEASE_ID: launch.release}
