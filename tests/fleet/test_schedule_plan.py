"""Which due times are fired when a worker looks at a schedule, at any times: by the policy, each once, in order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from redis_mob.fleet.due_times import DueTimes
from redis_mob.fleet.schedule_plan import AT_ONCE, GRACE, MOST_CAUGHT_UP, due_now
from redis_mob.models.flow_schedule import CatchUp, FlowSchedule, Overlap, ScheduleRecord

BEGIN = datetime(2026, 3, 28, 12, tzinfo=UTC)


def schedule(**values: object) -> FlowSchedule:
    known: dict[str, object] = {
        "name": "s",
        "mob_id": "m",
        "flow_id": "f",
        "definition": "",
        "members": {},
        "created_at": BEGIN,
    }
    return FlowSchedule.model_validate({**known, **values})


def begun(flow: FlowSchedule) -> ScheduleRecord:
    return ScheduleRecord(schedule=flow, next_at=DueTimes(flow).next_after(BEGIN))


WHEN = st.one_of(
    st.sampled_from([5000, 60_000, 3_600_000]).map(lambda every: {"every_ms": every}),
    st.sampled_from(["* * * * *", "*/5 * * * *", "30 2 * * *", "0 9-17 * * MON-FRI"]).map(
        lambda cron: {"cron": cron, "timezone": "Europe/Berlin"}
    ),
)
PAUSES = st.lists(
    st.one_of(st.integers(0, 20), st.integers(50, 400), st.integers(1000, 90_000)).map(lambda s: timedelta(seconds=s)),
    min_size=1,
    max_size=8,
)


@given(WHEN, st.sampled_from(list(CatchUp)), st.sampled_from([0, 0, 500, 30_000]), PAUSES)
@settings(deadline=None, max_examples=100)
def test_each_due_time_is_fired_once_or_left_out_by_the_policy(
    when: dict[str, object], policy: CatchUp, jitter: int, pauses: list[timedelta]
) -> None:
    flow = schedule(**when, catch_up=policy, jitter_ms=jitter)
    record, now, last = begun(flow), BEGIN, BEGIN
    for pause in pauses:
        now += pause
        looks, fired, seen = 0, list[datetime](), record.next_at
        assert seen is not None
        while True:
            firing = due_now(record, now)
            assert len(firing.due) <= AT_ONCE
            for due in firing.due:
                assert due + flow.jitter(due) <= now
                assert now - due <= GRACE + flow.longest_jitter or policy is not CatchUp.NONE
            fired += firing.due
            record = record.model_copy(update={"next_at": firing.next_at})
            looks += 1
            if not firing.due:
                break
        assert looks <= MOST_CAUGHT_UP / AT_ONCE + 5
        assert [last, *fired] == sorted({last, *fired}), "each once, in order"
        last = fired[-1] if fired else last
        assert record.next_at is not None
        passed = list(DueTimes(flow).within(seen, record.next_at - timedelta(microseconds=1)))
        assert set(fired) <= set(passed)
        left_out = set(passed) - set(fired)
        if policy is CatchUp.ALL and len(passed) <= MOST_CAUGHT_UP:
            assert not left_out
        assert record.next_at + flow.jitter(record.next_at) > now, "nothing that is due is left for later"
        if policy is not CatchUp.NONE and passed:
            assert fired[-1] == passed[-1], "the last one is never left out"


def test_all_is_bounded_and_told() -> None:
    flow = schedule(every_ms=1000, catch_up=CatchUp.ALL)
    record, now, fired = begun(flow), BEGIN + timedelta(days=365), list[datetime]()
    first = due_now(record, now)
    assert first.note is not None
    assert "more than 1,000 due times were missed" in first.note
    while (firing := due_now(record, now)).due:
        fired += firing.due
        record = record.model_copy(update={"next_at": firing.next_at})
    assert len(fired) == MOST_CAUGHT_UP + 61
    assert fired[-1] == now


def test_a_due_time_that_waits_is_not_missed() -> None:
    flow = schedule(every_ms=3_600_000, catch_up=CatchUp.NONE, overlap=Overlap.QUEUE)
    record = begun(flow).model_copy(update={"waits": True})
    firing = due_now(record, BEGIN + timedelta(hours=1, minutes=30))
    assert firing.due == [BEGIN + timedelta(hours=1)]
    assert firing.next_at == BEGIN + timedelta(hours=2)


def test_of_several_the_newest_cancels_the_run_before() -> None:
    flow = schedule(every_ms=1000, catch_up=CatchUp.ALL, overlap=Overlap.CANCEL_RUNNING)
    firing = due_now(begun(flow), BEGIN + timedelta(seconds=30))
    assert (firing.due, firing.next_at) == ([BEGIN + timedelta(seconds=30)], BEGIN + timedelta(seconds=31))


def test_jitter_is_spread_and_always_the_same_for_a_due_time() -> None:
    flow = schedule(every_ms=60_000, jitter_ms=10_000)
    delays = [flow.jitter(BEGIN + timedelta(minutes=number)) for number in range(200)]
    assert delays == [flow.jitter(BEGIN + timedelta(minutes=number)) for number in range(200)]
    assert max(delays) <= timedelta(seconds=10)
    assert timedelta(seconds=3) < sum(delays, timedelta()) / 200 < timedelta(seconds=7)
    other = schedule(name="other", every_ms=60_000, jitter_ms=10_000)
    assert [other.jitter(BEGIN + timedelta(minutes=number)) for number in range(200)] != delays
