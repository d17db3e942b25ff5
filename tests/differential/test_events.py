"""The event log on a server and in memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, invariant, multiple, precondition, rule

from redis_mob.models import (
    FlowCanceled,
    FlowCompleted,
    FlowFailed,
    FlowStarted,
    ForkJobTerminal,
    MobCreated,
    MobEvent,
    MobEventKind,
    MobReset,
    NewMobEvent,
    StepFailed,
)
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.documents import FULL_DEFINITION
from redis_mob.testing.samples.new_events import OTHER_RUN, RUN, new_event
from redis_mob.testing.samples.states import NOON
from tests.differential.driver import NO_RESULT, Twins, check_twins
from tests.differential.strategies import DOCUMENTS, rarely

FAR_EAST, FAR_WEST = timezone(timedelta(hours=14)), timezone(-timedelta(hours=12))

TIMES = [
    NOON,
    NOON + timedelta(microseconds=1),
    NOON.replace(microsecond=0).astimezone(FAR_EAST),
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime.max.replace(tzinfo=UTC),
]
"""None of them is near the present moment, which an event without a time gets."""

BOUNDS = [
    *TIMES,
    datetime(2200, 1, 1, tzinfo=FAR_WEST),
    datetime.min.replace(tzinfo=FAR_EAST),
    NOON.replace(tzinfo=None),
]
"""One of them lies before all times, one has no zone."""

RUNS, FLOWS, STEPS = st.sampled_from([RUN, OTHER_RUN]), st.sampled_from(["f", "é"]), st.sampled_from(["s", "é"])

ENDS = st.one_of(
    st.builds(FlowCompleted, run_id=RUNS, flow_id=FLOWS, structured_output=DOCUMENTS),
    st.builds(FlowFailed, run_id=RUNS, flow_id=FLOWS, reason=STEPS),
    st.builds(FlowCanceled, run_id=RUNS, flow_id=FLOWS),
)
FAILURES = st.builds(StepFailed, run_id=RUNS, step_id=STEPS, reason=STEPS)
JOBS = st.builds(
    ForkJobTerminal,
    job_id=STEPS,
    child=STEPS,
    owner_session_id=RUNS,
    status=st.just("completed"),
    outcome=st.sampled_from([1, 1.0, {"a": 1, "b": 2}, {"b": 2, "a": 1}]),
    result_digest=st.just(""),
)
OTHERS = rarely(
    st.just(FlowStarted.model_construct(run_id=RUN, flow_id="f", params="\ud800")),
    st.builds(FlowStarted, run_id=RUNS, flow_id=FLOWS, params=DOCUMENTS)
    | st.just(MobCreated(definition=FULL_DEFINITION))
    | st.just(MobReset()),
)


def events(kinds: st.SearchStrategy[MobEventKind]) -> st.SearchStrategy[NewMobEvent]:
    return st.builds(
        new_event, kinds, mob=st.sampled_from(["mob", "mób"]), timestamp=st.none() | st.sampled_from(TIMES)
    )


class Events(Twins):
    """Appends of every kind, prunes and reads from cursors that were given, and from some that never will be."""

    cursors = Bundle("cursors")
    length = 0
    """How many events there are."""

    @initialize(target=cursors)
    def cursors_of_nothing(self) -> Any:
        return multiple(0, -1, 2**64 - 1, 2**70)

    @rule(target=cursors, event=events(ENDS | FAILURES | OTHERS))
    def append(self, event: NewMobEvent) -> Any:
        return cursor_of(self.both(lambda storage: storage.events.append(event)))

    @rule(target=cursors, event=events(rarely(FAILURES, ENDS)))
    def append_terminal_event_if_absent(self, event: NewMobEvent) -> Any:
        return cursor_of(self.both(lambda storage: storage.events.append_terminal_event_if_absent(event)))

    @rule(target=cursors, event=events(rarely(ENDS, FAILURES)))
    def append_step_failed_event_if_absent(self, event: NewMobEvent) -> Any:
        return cursor_of(self.both(lambda storage: storage.events.append_step_failed_event_if_absent(event)))

    @rule(target=cursors, event=events(rarely(FAILURES, JOBS)))
    def append_fork_job_terminal_if_absent(self, event: NewMobEvent) -> Any:
        return cursor_of(self.both(lambda storage: storage.events.append_fork_job_terminal_if_absent(event)))

    @rule(batch=st.lists(events(ENDS | FAILURES | JOBS | OTHERS), max_size=4))
    def append_batch(self, batch: list[NewMobEvent]) -> None:
        self.both(lambda storage: storage.events.append_batch(batch))

    @rule(after=cursors, limit=st.sampled_from([-1, 0, 1, 2, 2**63]))
    def poll(self, after: int, limit: int) -> None:
        self.both(lambda storage: storage.events.poll(after, limit))

    @rule(older_than=st.sampled_from(BOUNDS), structural=rarely(st.just(True), st.just(False)))
    def prune(self, older_than: datetime, structural: bool) -> None:
        self.both(lambda storage: storage.events.prune(older_than, structural=structural))

    @precondition(lambda self: self.length > 5)
    @rule()
    def clear(self) -> None:
        self.both(lambda storage: storage.events.clear())

    @invariant()
    def same_content(self) -> None:
        _, log = self.both(content)
        self.length = len(log)


def cursor_of(answer: Any) -> Any:
    return answer.cursor if isinstance(answer, MobEvent) else NO_RESULT


async def content(storage: MobStorage) -> Any:
    return await storage.events.latest_cursor(), await storage.events.replay_all()


def test_events(server_url: str) -> None:
    check_twins(Events, server_url)
