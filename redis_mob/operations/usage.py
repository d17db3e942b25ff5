"""Which definitions and which releases the runs of a namespace use, found by a look at each run.

The runs of a definition or a release are not counted as they start and end: what an older release starts would not be
in the count.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from redis_mob.codec.arguments import text
from redis_mob.codec.definitions import digests_of
from redis_mob.errors import NotFoundError, SerializationError, ValidationError, shown
from redis_mob.models.definition import MobDefinition
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.run_summary import ANY_RUN
from redis_mob.models.worker import LiveWorker
from redis_mob.operations.run_list import every_run
from redis_mob.storage import MobStorage

_DIGEST = re.compile(r"[0-9a-f]{4,32}")

MOST_NAMED = 10
"""Digests that begin alike which an error names."""

_OPEN = (MobRunStatus.PENDING, MobRunStatus.RUNNING)


@dataclass(frozen=True, slots=True)
class DefinitionUse:
    """A definition that is stored, or that a run names: its runs by status, and who else is concerned with it.

    `since` is when the first run was created that is there and has it, None if none has. `workers` are the ids of the
    living ones that are made for it, `schedules` the names of those that start it. What is stored for forked runs is
    `for_forks`. `problem` says why it cannot be read: then neither its mob nor its flows are known.
    """

    digest: str
    mob_id: str | None
    flows: tuple[str, ...]
    runs: Mapping[MobRunStatus, int]
    since: datetime | None
    workers: tuple[str, ...]
    schedules: tuple[str, ...]
    for_forks: bool = False
    problem: str | None = None

    @property
    def under_way(self) -> int:
        """How many runs that are not over have it."""
        return sum(self.runs[status] for status in _OPEN)


@dataclass(frozen=True, slots=True)
class ReleaseUse:
    """The runs that ask for a release, or for none (None), by status; and the living workers of that release."""

    release: str | None
    runs: Mapping[MobRunStatus, int]
    workers: tuple[str, ...]

    @property
    def under_way(self) -> int:
        """How many of them are not over."""
        return sum(self.runs[status] for status in _OPEN)

    @property
    def is_drained(self) -> bool:
        """Whether its workers may be stopped: no run that is not over asks for it."""
        return self.release is not None and not self.under_way


@dataclass(slots=True)
class _Tally:
    """What is known of a definition, or of a release, until all runs were looked at."""

    runs: Counter[MobRunStatus] = field(default_factory=Counter[MobRunStatus])
    since: datetime | None = None

    def add(self, status: MobRunStatus, created_at: datetime) -> None:
        self.runs[status] += 1
        self.since = created_at if self.since is None else min(self.since, created_at)

    @property
    def by_status(self) -> Mapping[MobRunStatus, int]:
        return {status: self.runs[status] for status in MobRunStatus}


async def definitions(storage: MobStorage) -> tuple[DefinitionUse, ...]:
    """See `FleetAdmin.definitions`."""
    tallies = {digest: _Tally() for digest in await storage.operations.definitions()}
    async for run in every_run(storage, ANY_RUN, None):
        if run.definition is not None:
            tallies.setdefault(run.definition, _Tally()).add(run.status, run.created_at)
    workers = await storage.executions.workers()
    schedules = [one.record for one in await storage.schedules.list()]
    found: list[DefinitionUse] = []
    for digest, tally in tallies.items():
        definition, problem = await _read(storage, digest)
        found.append(
            DefinitionUse(
                digest=digest,
                mob_id=None if definition is None else definition.id,
                flows=() if definition is None else tuple(definition.flows),
                runs=tally.by_status,
                since=tally.since,
                workers=_made_for(digest, workers),
                schedules=tuple(one.name for one in schedules if one.schedule.definition == digest),
                for_forks=definition is not None and digests_of(definition)[0] != digest,
                problem=problem,
            )
        )
    return tuple(sorted(found, key=lambda one: (one.mob_id or "", one.since is None, one.since, one.digest)))


async def _read(storage: MobStorage, digest: str) -> tuple[MobDefinition | None, str | None]:
    """A definition, or why it cannot be read."""
    try:
        return await storage.executions.get_definition(digest), None
    except (NotFoundError, SerializationError) as error:
        return None, str(error)


def _made_for(digest: str, workers: Iterable[LiveWorker]) -> tuple[str, ...]:
    return tuple(sorted(one.record.id for one in workers if digest in (one.record.definitions or ())))


async def definition(storage: MobStorage, digest: str) -> MobDefinition:
    """See `FleetAdmin.definition`."""
    wanted = text("digest", digest).lower()
    if _DIGEST.fullmatch(wanted) is None:
        raise ValidationError(f"{shown(digest)} is no digest of a definition: that is four to 32 of 0-9 and a-f")
    known = [one for one in await storage.operations.definitions() if one.startswith(wanted)]
    if not known:
        raise NotFoundError(f"no definition has a digest that begins with {wanted}: `redis-mob definitions` lists them")
    if len(known) > 1:
        more = ", ..." if len(known) > MOST_NAMED else ""
        raise ValidationError(
            f"{len(known)} digests begin with {wanted}: {', '.join(known[:MOST_NAMED])}{more}; give more of it"
        )
    return await storage.executions.get_definition(known[0])


async def releases(storage: MobStorage) -> tuple[ReleaseUse, ...]:
    """See `FleetAdmin.releases`."""
    tallies: dict[str | None, _Tally] = {}
    async for run in every_run(storage, ANY_RUN, None):
        tallies.setdefault(run.release, _Tally()).add(run.status, run.created_at)
    workers: dict[str | None, list[str]] = {}
    for live in await storage.executions.workers():
        workers.setdefault(live.record.release, []).append(live.record.id)
    return tuple(
        ReleaseUse(release, tallies.get(release, _Tally()).by_status, tuple(sorted(workers.get(release, ()))))
        for release in sorted({*tallies, *workers}, key=lambda one: (one is not None, one or ""))
    )


def unused(release: str) -> ReleaseUse:
    """A release that no run asks for, and no worker has."""
    return ReleaseUse(release, _Tally().by_status, ())
