"""What operators ask, in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from redis_mob.codec.arguments import integer
from redis_mob.codec.run_heads import ended_identity
from redis_mob.codec.run_ids import beginning_of_ids, one_of
from redis_mob.codec.run_summaries import checked_which, decode_cursor, failure_fields
from redis_mob.contracts import OperationsStore
from redis_mob.memory.namespace import Access
from redis_mob.memory.run_lookup import existing_run, run_key
from redis_mob.models import MobRun, MobRunStatus
from redis_mob.models.labels import NO_LABELS
from redis_mob.models.pause import PauseScope
from redis_mob.models.run_standing import RunStanding
from redis_mob.models.run_summary import ANY_RUN, RunFilter, RunPage, RunSummary


class MemoryOperationsStore(OperationsStore):
    """The contract's `OperationsStore` in memory; its docstrings say what holds."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def runs(self, which: RunFilter = ANY_RUN, /, *, limit: int = 50, after: str | None = None) -> RunPage:
        which, limit = checked_which(which), integer("limit", limit, least=1)
        before, content = decode_cursor(after), self._access.content
        found = list(self._found(which, before))
        page = tuple(found[:limit])
        following = str(content.sequences[page[-1].run_id]) if len(found) > limit else None
        return RunPage(runs=page, next=following, now=content.clock.now())

    async def count(self, which: RunFilter = ANY_RUN, /) -> Mapping[MobRunStatus, int]:
        which = checked_which(which)
        counted = Counter(run.status for run in self._found(which, None))
        return {status: counted[status] for status in which.any_of}

    async def find(self, prefix: str, /) -> str:
        beginning = beginning_of_ids(prefix)
        return one_of(prefix, [run_id for run_id in self._access.content.runs if run_id.startswith(beginning)])

    async def summary(self, run_id: str, /) -> RunSummary | None:
        run = self._access.content.runs.get(run_key(run_id))
        return None if run is None else self._summary(run)

    async def standing(self, run_id: str, /) -> RunStanding:
        content = self._access.content
        run = existing_run(content, run_id)
        ended = content.log.has_identity(ended_identity(run.mob_id, run.flow_id, run.run_id))
        return RunStanding(True, (run.status,), run.run_id in content.due_runs, ended)

    async def definitions(self) -> tuple[str, ...]:
        return tuple(sorted(self._access.content.definitions))

    async def index_runs(self) -> None:
        _ = self._access.content  # which is its own index; raises if it is closed

    def _found(self, which: RunFilter, before: int | None) -> Iterator[RunSummary]:
        content = self._access.content
        for run in reversed(content.runs.values()):
            if before is None or content.sequences[run.run_id] < before:
                summary = self._summary(run)
                if which.includes(summary) and which.is_in(run.activation_params):
                    yield summary

    def _summary(self, run: MobRun) -> RunSummary:
        content = self._access.content
        labels = content.labels.get(run.run_id, NO_LABELS)
        launch, launched_at = content.launches.get(run.run_id, (None, None))
        is_paused = run.run_id in content.paused_runs and not run.status.is_terminal
        parent, turn = content.parents.get(run.run_id), content.turns.get(run.run_id)
        has_failed = run.status is MobRunStatus.FAILED and run.failure_ledger
        return RunSummary.unchecked(
            run_id=run.run_id,
            mob_id=run.mob_id,
            flow_id=run.flow_id,
            status=run.status,
            created_at=run.created_at,
            launched_at=launched_at,
            completed_at=run.completed_at,
            release=launch and launch.release,
            definition=launch and launch.definition,
            cancel_requested=run.run_id in content.cancel_requested,
            paused=(PauseScope.RUN,) if is_paused else (),
            active_nodes=run.flow_state.active_node_count,
            parent=parent and parent.run_id,
            conversation=turn and turn.id,
            waits_for_turn=turn is not None and turn.waits and run.status is MobRunStatus.PENDING,
            attributes=labels.attributes,
            summary=labels.summary,
            **(failure_fields(run.failure_ledger[-1]) if has_failed else {}),
        )
