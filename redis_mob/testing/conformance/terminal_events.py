"""What may happen once only: the end of a flow, the failure of a step (contract: events-7, events-10)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from redis_mob.contracts import MobEventStore
from redis_mob.errors import CasConflictError, InternalError
from redis_mob.models import FlowStarted, MobEventKind, MobReset, NewMobEvent, StepCompleted
from redis_mob.testing.backend import Backend
from redis_mob.testing.conformance.base import Guarantee, Opener, given
from redis_mob.testing.conformance.pruning import LAST
from redis_mob.testing.samples.new_events import (
    OTHER_RUN,
    RUN,
    canceled,
    completed,
    failed,
    job_ended,
    new_event,
    numbered,
    step_failed,
)

TERMINAL = [completed, failed, canceled]
RESET = new_event(MobReset())


class TestTerminalEvents(Guarantee):
    """A flow terminates once, on every path by which its end is recorded."""

    @pytest.mark.parametrize("first", TERMINAL)
    @pytest.mark.parametrize("second", TERMINAL)
    async def test_case_021_the_first_terminal_event_wins(
        self, events: MobEventStore, first: Callable[[], NewMobEvent], second: Callable[[], NewMobEvent]
    ) -> None:
        stored = await events.append_terminal_event_if_absent(first())
        assert stored is not None
        assert stored.kind == first().kind
        assert await events.append_terminal_event_if_absent(second()) is None
        assert await events.replay_all() == [stored]

    async def test_case_022_another_run_or_flow_or_mob_is_another_identity(self, events: MobEventStore) -> None:
        others = [completed(), completed(OTHER_RUN), completed(flow_id="deploy"), completed(mob="other")]
        stored = [await events.append_terminal_event_if_absent(event) for event in others]
        assert [event and event.cursor for event in stored] == [1, 2, 3, 4]

    async def test_case_022_the_parts_of_an_identity_do_not_run_together(self, events: MobEventStore) -> None:
        assert await events.append_terminal_event_if_absent(completed(flow_id="xmob", mob=""))
        assert await events.append_terminal_event_if_absent(completed(flow_id="x", mob="mob"))
        assert await events.append_terminal_event_if_absent(completed(flow_id="", mob="mobx"))

    @pytest.mark.parametrize("kind", [StepCompleted(run_id=RUN, step_id="a"), MobReset()])
    async def test_case_023_an_event_that_ends_no_flow_is_refused(
        self, events: MobEventStore, kind: MobEventKind
    ) -> None:
        with pytest.raises(InternalError):
            await events.append_terminal_event_if_absent(new_event(kind))
        assert await events.replay_all() == []

    async def test_case_024_one_of_many_concurrent_terminal_events_is_stored(self, open_stores: Opener) -> None:
        stores = [given("events", (await open_stores()).events) for _ in range(5)]
        appends = [store.append_terminal_event_if_absent(event()) for store in stores for event in (completed, failed)]
        stored = [event for event in await asyncio.gather(*appends) if event is not None]
        assert len(stored) == 1
        assert stored == await stores[0].replay_all()

    @pytest.mark.parametrize("batch", [False, True], ids=["append", "append_batch"])
    async def test_case_025_a_plain_append_counts_too(self, events: MobEventStore, batch: bool) -> None:
        await (events.append_batch([numbered(1), failed()]) if batch else events.append(failed()))
        assert await events.append_terminal_event_if_absent(completed()) is None

    async def test_case_026_a_plain_append_allows_a_second_terminal_event(self, events: MobEventStore) -> None:
        await events.append(completed())
        await events.append(failed())
        await events.append_batch([canceled(), completed()])
        assert len(await events.replay_all()) == 4
        assert await events.append_terminal_event_if_absent(completed()) is None

    async def test_case_027_a_pruned_flow_cannot_terminate_again(self, events: MobEventStore) -> None:
        await events.append_terminal_event_if_absent(completed())
        assert await events.prune(LAST) == 1
        assert await events.append_terminal_event_if_absent(completed()) is None
        assert await events.replay_all() == []

    async def test_a_cleared_flow_can_terminate_again(self, events: MobEventStore) -> None:
        await events.append_terminal_event_if_absent(completed())
        await events.clear()
        again = await events.append_terminal_event_if_absent(completed())
        assert again is not None
        assert again.cursor == 2

    async def test_case_028_an_unreadable_event_of_another_run_does_not_matter(
        self, events: MobEventStore, backend: Backend
    ) -> None:
        await backend.add_event("not JSON")
        assert await events.append_terminal_event_if_absent(completed()) is not None
        assert await events.append_terminal_event_if_absent(completed()) is None


class TestFailedSteps(Guarantee):
    """The failure of a step is told once: told again it changes nothing, told otherwise it is refused."""

    async def test_a_step_fails_once(self, events: MobEventStore) -> None:
        stored = await events.append_step_failed_event_if_absent(step_failed())
        assert stored is not None
        assert await events.append_step_failed_event_if_absent(step_failed()) is None
        with pytest.raises(CasConflictError):
            await events.append_step_failed_event_if_absent(step_failed(reason="exit 2"))
        assert await events.replay_all() == [stored]

    async def test_a_failed_step_is_told_apart_by_mob_run_and_step(self, events: MobEventStore) -> None:
        others = [step_failed(), step_failed("test"), step_failed(run_id=OTHER_RUN), step_failed(mob="other")]
        stored = [await events.append_step_failed_event_if_absent(event) for event in others]
        assert [event and event.cursor for event in stored] == [1, 2, 3, 4]

    async def test_a_plain_append_counts_too(self, events: MobEventStore) -> None:
        await events.append_batch([step_failed(), step_failed(reason="exit 2")])
        assert await events.append_step_failed_event_if_absent(step_failed()) is None
        assert await events.append_step_failed_event_if_absent(step_failed(reason="exit 2")) is None
        with pytest.raises(CasConflictError):
            await events.append_step_failed_event_if_absent(step_failed(reason="exit 3"))

    async def test_only_a_step_failed_event_is_taken(self, events: MobEventStore) -> None:
        for event in (completed(), new_event(FlowStarted(run_id=RUN, flow_id="review", params={}))):
            with pytest.raises(InternalError):
                await events.append_step_failed_event_if_absent(event)
        assert await events.replay_all() == []

    async def test_the_time_is_no_part_of_the_content(self, events: MobEventStore) -> None:
        event = step_failed()
        assert await events.append_step_failed_event_if_absent(event.model_copy(update={"timestamp": LAST}))
        assert await events.append_step_failed_event_if_absent(event) is None

    async def test_one_of_many_concurrent_failures_is_stored(self, open_stores: Opener) -> None:
        stores = [given("events", (await open_stores()).events) for _ in range(5)]
        appends = [store.append_step_failed_event_if_absent(step_failed()) for store in stores]
        stored = [event for event in await asyncio.gather(*appends) if event is not None]
        assert len(stored) == 1
        assert stored == await stores[0].replay_all()


class TestEndedJobs(Guarantee):
    """The outcome of a job is told once until its mob is reset; another one is refused."""

    async def test_a_job_ends_once(self, events: MobEventStore) -> None:
        stored = await events.append_fork_job_terminal_if_absent(job_ended())
        assert stored is not None
        assert stored.kind == job_ended().kind
        assert await events.append_fork_job_terminal_if_absent(job_ended()) is None
        with pytest.raises(CasConflictError, match="job"):
            await events.append_fork_job_terminal_if_absent(job_ended(outcome="other"))
        assert await events.replay_all() == [stored]

    async def test_a_job_is_told_apart_by_mob_job_and_child(self, events: MobEventStore) -> None:
        others = [job_ended(), job_ended("other"), job_ended(child="other"), job_ended(mob="other")]
        stored = [await events.append_fork_job_terminal_if_absent(event) for event in others]
        assert [event and event.cursor for event in stored] == [1, 2, 3, 4]

    @pytest.mark.parametrize("batch", [False, True], ids=["append", "append_batch"])
    async def test_a_reset_of_its_mob_begins_anew(self, events: MobEventStore, batch: bool) -> None:
        append = events.append_fork_job_terminal_if_absent
        await append(job_ended())
        await append(job_ended(mob="other"))
        await (events.append_batch([RESET, job_ended("next")]) if batch else events.append(RESET))
        again = await append(job_ended(outcome="other"))
        assert again is not None
        assert await append(job_ended(outcome="other")) is None
        for told in (job_ended(), job_ended(mob="other", outcome="other")):
            with pytest.raises(CasConflictError):
                await append(told)
        assert (await append(job_ended("next")) is None) is batch, (
            "what a batch tells behind its reset is of the new epoch"
        )

    async def test_a_plain_append_counts_too(self, events: MobEventStore) -> None:
        await events.append_batch([job_ended(), job_ended(outcome="other")])
        assert await events.append_fork_job_terminal_if_absent(job_ended()) is None
        assert await events.append_fork_job_terminal_if_absent(job_ended(outcome="other")) is None
        with pytest.raises(CasConflictError):
            await events.append_fork_job_terminal_if_absent(job_ended(outcome="third"))

    async def test_outcomes_are_compared_as_json(self, events: MobEventStore) -> None:
        append = events.append_fork_job_terminal_if_absent
        assert await append(job_ended(outcome={"a": 1, "b": [None]})) is not None
        assert await append(job_ended(outcome={"b": [None], "a": 1})) is None
        for other in ({"a": 1.0, "b": [None]}, {"a": True, "b": [None]}, {"a": 1}):
            with pytest.raises(CasConflictError):
                await append(job_ended(outcome=other))

    async def test_a_prune_makes_no_room_and_a_clear_does(self, events: MobEventStore) -> None:
        await events.append_fork_job_terminal_if_absent(job_ended())
        await events.prune(LAST, structural=True)
        assert await events.append_fork_job_terminal_if_absent(job_ended()) is None
        await events.clear()
        assert await events.append_fork_job_terminal_if_absent(job_ended(outcome="other")) is not None

    async def test_only_the_end_of_a_job_is_taken(self, events: MobEventStore) -> None:
        for event in (completed(), step_failed()):
            with pytest.raises(InternalError):
                await events.append_fork_job_terminal_if_absent(event)
        assert await events.replay_all() == []

    async def test_one_of_many_concurrent_outcomes_is_stored(self, open_stores: Opener) -> None:
        stores = [given("events", (await open_stores()).events) for _ in range(5)]
        appends = [store.append_fork_job_terminal_if_absent(job_ended()) for store in stores]
        stored = [event for event in await asyncio.gather(*appends) if event is not None]
        assert len(stored) == 1
