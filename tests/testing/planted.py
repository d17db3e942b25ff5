"""Faults of the engine and of the store in memory, one line each, which the simulation must find."""

# pyright: reportPrivateUsage=false
# the faults are planted where the code decides

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from redis_mob.fleet import quorum, run_driver, settlement
from redis_mob.memory import executions
from redis_mob.memory.schedule import Schedule
from redis_mob.models.execution import HowLost
from redis_mob.models.flow_spec import CollectQuorum

Plant = Callable[[pytest.MonkeyPatch], None]


def giving(value: object) -> Callable[..., Any]:
    """A function that gives the same for all arguments."""
    return lambda *_args: value


def takeover_keeps_the_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was lost with its worker is taken over as if that had handed it back."""
    monkeypatch.setattr(HowLost, "is_orderly", property(giving(True)))


def fence_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """An outcome is taken from each worker that has ever held the execution."""
    for name in ("note", "decide"):
        conclude = getattr(run_driver, name)

        def with_newest_tokens(view: Any, *args: Any, conclude: Any = conclude, reports: Any, **more: Any) -> Any:
            held = {key: one.fencing_token for key, one in view.executions.items()}
            reports = [one._replace(token=held.get(one.key, one.token)) for one in reports]
            return conclude(view, *args, reports=reports, **more)

        monkeypatch.setattr(run_driver, name, with_newest_tokens)


def commit_compares_no_executions(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store writes executions whether or not they are as they were read."""
    monkeypatch.setattr(executions, "_same", giving(True))


def cancellation_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit does not see that a cancellation was asked for since the run was read."""
    is_as_read = executions._is_as_read

    def without_cancellation(content: Any, stored: Any, transition: Any) -> bool:
        seen = replace(transition.before, cancel_requested=transition.run.run_id in content.cancel_requested)
        return is_as_read(content, stored, replace(transition, before=seen))

    monkeypatch.setattr(executions, "_is_as_read", without_cancellation)


def quorum_is_one_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quorum is reached with one success less."""
    required = quorum.successes_required

    def one_less(policy: Any, members: int) -> int:
        return required(policy, members) - (isinstance(policy, CollectQuorum) and policy.n > 1)

    monkeypatch.setattr(quorum, "successes_required", one_less)


def retry_comes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed attempt is followed by the next one without a pause."""
    monkeypatch.setattr(settlement, "retry_pause", giving(timedelta()))


def late_report_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A decision does not see that something was reported since it was made, and the run is not looked at again."""
    commit = executions.MemoryExecutionStore.commit

    async def without_late(self: Any, transition: Any) -> Any:
        return await commit(self, replace(transition, before=replace(transition.before, reports=10**9)))

    monkeypatch.setattr(executions.MemoryExecutionStore, "commit", without_late)


def limit_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store gives out executions of a role beyond its limit."""
    monkeypatch.setattr(Schedule, "_has_room", giving(True))


PLANTS: dict[Plant, tuple[int, str]] = {
    takeover_keeps_the_attempt: (1, "was taken over from"),
    fence_is_ignored: (248, "which its handler of token"),
    commit_compares_no_executions: (79, "was called 2 times with token"),
    cancellation_is_forgotten: (3, "as if its cancellation had not been asked for"),
    quorum_is_one_short: (9, "it needs 2"),
    retry_comes_at_once: (9, "is to be tried again after 0.000 s"),
    late_report_is_forgotten: (255, "is not over after"),
    limit_is_not_counted: (37, "executions of role"),
}
"""Each fault with a seed that finds it, which is tried first, and with what that tells. It is another seed when the
engine decides otherwise."""
