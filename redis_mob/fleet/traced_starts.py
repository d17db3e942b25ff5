"""What telemetry is told of the starts of runs: a span whose context is stored with the run, and a count (contract:
telemetry-2)."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from redis_mob.models.execution import Execution, RunLaunch
from redis_mob.models.run import MobRun
from redis_mob.models.transition import RunView
from redis_mob.telemetry import active, names
from redis_mob.telemetry.labels import labels_of
from redis_mob.telemetry.store_calls import error_type_of

if TYPE_CHECKING:
    from opentelemetry.trace import Span


class StartOfRun:
    """The start of one run: a block, within which the launch is the one that it gives."""

    def __enter__(self) -> StartOfRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def traced(self, launch: RunLaunch) -> RunLaunch:
        """The launch, with the context of the span if there is one."""
        return launch

    def told(self, *, is_new: bool) -> None:
        """The run was started, or existed before."""


_NOT_TRACED = StartOfRun()


class _Traced(StartOfRun):
    def __init__(self, run: MobRun, launch: RunLaunch, span: Span | None, *, is_of_worker: bool) -> None:
        self._run = run
        self._release = launch.release
        self._span = span
        self._is_of_worker = is_of_worker
        self._is_new = False
        self._in_context = None

    def __enter__(self) -> StartOfRun:
        if self._span is not None:
            from opentelemetry.context import attach
            from opentelemetry.trace import set_span_in_context

            self._in_context = attach(set_span_in_context(self._span))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._span is None:
            return
        from opentelemetry.context import detach

        if self._in_context is not None:
            detach(self._in_context)
        if error is not None:
            from redis_mob.telemetry.spans import fail

            fail(self._span, error_type_of(error))
        elif not self._is_new:
            if self._is_of_worker:
                return  # another worker has started it, and told so
            self._span.set_attribute(names.IS_NEW, False)
        self._span.end()

    def traced(self, launch: RunLaunch) -> RunLaunch:
        if self._span is None:
            return launch
        from redis_mob.telemetry.spans import traceparent_of

        return launch.model_copy(update={"trace": traceparent_of(self._span)})

    def told(self, *, is_new: bool) -> None:
        self._is_new = is_new
        if is_new and active.instruments is not None:
            run = self._run
            active.instruments.count(names.RUN_STARTED, labels_of(run.mob_id, run.flow_id, release=self._release))


def start_of_run(run: MobRun, launch: RunLaunch, *, is_of_worker: bool = False) -> StartOfRun:
    """The start of a run by a program, within its current span, or by the schedule that a worker fires."""
    if not active.is_on():
        return _NOT_TRACED
    span = None if active.spans is None else active.spans.start_of_run(_attributes(run, launch))
    return _Traced(run, launch, span, is_of_worker=is_of_worker)


def start_of_child(run: MobRun, launch: RunLaunch, view: RunView, execution: Execution) -> StartOfRun:
    """The start of the run of a step with a sub-flow: its span is that of the step, within the run above."""
    if not active.is_on():
        return _NOT_TRACED
    span = None
    if active.spans is not None:
        attributes = {
            **_attributes(run, launch),
            names.PARENT_RUN_ID: view.run.run_id,
            names.STEP_ID: execution.step_id,
        }
        span = active.spans.start_of_child(attributes, start=view.launch.trace, before=execution.trace)
    return _Traced(run, launch, span, is_of_worker=True)


def _attributes(run: MobRun, launch: RunLaunch) -> dict[str, str]:
    attributes = {names.MOB_ID: run.mob_id, names.FLOW_ID: run.flow_id, names.RUN_ID: run.run_id}
    return attributes if launch.release is None else {**attributes, names.RELEASE_ID: launch.release}
