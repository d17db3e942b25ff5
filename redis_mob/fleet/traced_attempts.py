"""What telemetry is told of the attempts of one run, from the decision that claims them (contract: telemetry-3)."""

from __future__ import annotations

from collections.abc import Iterable

from redis_mob.fleet.engine import Report
from redis_mob.fleet.lease import LeaseLostError
from redis_mob.fleet.outcome import Failed, Outcome, Succeeded, Suspended
from redis_mob.fleet.presence import Presence
from redis_mob.models.execution import Execution, ExecutionKey, ExecutionStatus, member_of
from redis_mob.models.transition import RunView
from redis_mob.telemetry import active, names
from redis_mob.telemetry.attempts import COMPLETED, HANDED_BACK, LEASE_LOST, Attempt, attempt_of
from redis_mob.telemetry.labels import labels_of
from redis_mob.telemetry.log_context import LogIds


class TracedAttempts:
    """The attempts that a driver is about to claim.

    The span of one is made before its claim is committed, since its context is stored with that: an attempt that comes
    after this worker was lost has a link to it. A span whose claim is lost is dropped, and never told.
    """

    def __init__(self, presence: Presence) -> None:
        self._presence = presence
        self._claimed: dict[tuple[ExecutionKey, int], Attempt] = {}
        self._ended: dict[tuple[ExecutionKey, int], Attempt] = {}
        self._is_in_doubt = False

    def claim(self, view: RunView, key: ExecutionKey, execution: Execution) -> str | None:
        """An execution is about to be claimed, with its next fencing token: the context of its span, if it has one."""
        if not active.observes_attempts():
            return None
        run, release, is_taken_over = view.run, view.launch.release, execution.status is ExecutionStatus.LEASED
        attributes: dict[str, str | bool | int] = {
            names.MOB_ID: run.mob_id,
            names.FLOW_ID: run.flow_id,
            names.RUN_ID: run.run_id,
            names.STEP_ID: execution.step_id,
            names.TARGET: key.target,
            names.ROLE_ID: execution.role,
            names.ATTEMPT: execution.attempt,
            names.WORKER: self._presence.id,
        }
        if release is not None:
            attributes[names.RELEASE_ID] = release
        if execution.suspect:
            attributes[names.SUSPECT] = True
        attempt = attempt_of(
            LogIds(run.run_id, execution.step_id, member_of(key, execution), execution.attempt),
            labels_of(run.mob_id, run.flow_id, role=execution.role, release=release),
            attributes,
            start=view.launch.trace,
            before=execution.trace,
            waited=None if is_taken_over else (view.now - execution.due_at).total_seconds(),
            is_limited=bool(execution.limits),
        )
        self._claimed[key, execution.fencing_token + 1] = attempt
        return attempt.traceparent

    def taken(self, key: ExecutionKey, token: int) -> Attempt | None:
        """What was made for an execution that is claimed now, under this token; all else was not claimed."""
        return self._claimed.pop((key, token), None)

    def reported(self, report: Report, attempt: Attempt | None) -> None:
        """An attempt has ended, with an outcome that is to be decided on."""
        if attempt is not None:
            self._ended[report.key, report.token] = attempt

    def doubt(self) -> None:
        """A commit may have happened: an outcome that is not expected now may have been taken by it."""
        self._is_in_doubt = True

    def concluded(self, view: RunView | None, reports: Iterable[Report]) -> None:
        """Reports are decided on, in the run as it was before; None of one that is gone. Those of attempts that were
        taken away are refused."""
        for one in reports if self._ended else ():
            attempt = self._ended.pop((one.key, one.token), None)
            execution = None if view is None else view.executions.get(one.key)
            lease = None if execution is None else execution.lease
            is_held = lease is not None and lease.fencing_token == one.token
            if attempt is not None and not is_held and not self._is_in_doubt:
                attempt.refused()

    def forget(self) -> None:
        """Drop what was made for claims that were lost, and for reports that are decided on."""
        self._claimed.clear()
        self._is_in_doubt = False


def end_attempt(attempt: Attempt | None, how: Outcome | LeaseLostError | None) -> None:
    """Tell how an attempt has ended, unless that was told before: by an outcome, or since it was taken away or handed
    back. Does nothing without an attempt."""
    if attempt is None or attempt.is_over:
        return
    match how:
        case Succeeded():
            attempt.end(COMPLETED)
        case Suspended():
            attempt.end("suspended")
        case Failed() as failed:
            attempt.end("failed", failed.error_class or "failed", failed.reason)
        case LeaseLostError():
            attempt.end("lost", LEASE_LOST)
        case None:
            attempt.end("handed_back", HANDED_BACK)
        case throttled:
            attempt.end("throttled", "throttled", throttled.reason)
