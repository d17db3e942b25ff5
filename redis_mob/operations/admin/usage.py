"""Which definitions and releases runs use, and runs that go from one release to another."""

from __future__ import annotations

from redis_mob.codec.arguments import flag
from redis_mob.models.definition import MobDefinition
from redis_mob.operations import usage
from redis_mob.operations.admin.base import AdminBase
from redis_mob.operations.moving import move
from redis_mob.operations.usage import DefinitionUse, ReleaseUse


class UsageAdmin(AdminBase):
    """Definitions and releases."""

    async def definitions(self) -> tuple[DefinitionUse, ...]:
        """The definitions that are stored, with the runs that use each, by mob and age (contract: operations-200).

        It costs a look at each run of the namespace.
        """
        return await usage.definitions(self._storage)

    async def definition(self, digest: str) -> MobDefinition:
        """The one whose digest begins like this, in at least four digits.

        Raises NotFoundError if there is none, ValidationError naming some of them if there are several,
        SerializationError for one that this release cannot read.
        """
        return await usage.definition(self._storage, digest)

    async def releases(self) -> tuple[ReleaseUse, ...]:
        """The runs of each release, and whether one is drained (contract: operations-201).

        It costs a look at each run of the namespace.
        """
        return await usage.releases(self._storage)

    async def move(self, run_id: str, release: str | None, *, force: bool = False) -> bool:
        """Let the workers of another release go on with a run, None for those of any (contract: operations-202).

        What waits goes to them at once. What a worker executes ends where it is, and counts. False if the run is over.
        Raises CasConflictError if no living worker of that release is made for the definition of the run, unless
        `force` is given; NotFoundError if there is no such run, or no fleet has started it.
        """
        return await move(self._storage, run_id, release, force=flag("force", force))
