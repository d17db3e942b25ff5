"""What operators ask, in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from redis_mob.codec.arguments import integer
from redis_mob.codec.run_ids import beginning_of_ids, one_of
from redis_mob.codec.run_summaries import checked_which, decode_cursor, failure_fields
from redis_mob.contracts import OperationsStore
from redis_mob.memory.namespace import Access
from redis_mob.models import MobRun, MobRunStatus
from redis_mob.models.labels import NO_LABELS
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
            cancel_requested=run.run_id in content.cancel_requested,
            active_nodes=run.flow_state.active_node_count,
            attributes=labels.attributes,
            summary=labels.summary,
            **(failure_fields(run.failure_ledger[-1]) if has_failed else {}),
        )
