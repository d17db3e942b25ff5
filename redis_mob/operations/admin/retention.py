"""How long runs are kept, and how much there is."""

from __future__ import annotations

from redis_mob.codec.arguments import flag, integer, optional_instance
from redis_mob.errors import ValidationError
from redis_mob.fleet.retention import Sweep
from redis_mob.models.retention import PruneReport, RetentionPolicies, RetentionPolicy
from redis_mob.operations.admin.base import AdminBase
from redis_mob.operations.stats import NamespaceStats, read_stats


class RetentionAdmin(AdminBase):
    """How long runs are kept, and how much there is."""

    async def set_retention(self, policy: RetentionPolicy, mob: str | None = None, flow: str | None = None) -> None:
        """Say how long runs of a flow of a mob are kept, of a mob, or of all without a policy of their own; how many.

        Workers delete the others from then on (contract: operations-80). Raises ValidationError for the policy of a mob
        that bounds what belongs to all mobs, as events, and for a flow without its mob.
        """
        await self._storage.retention.set_policy(policy, mob, flow)

    async def clear_retention(self, mob: str | None = None, flow: str | None = None) -> bool:
        """Take back the policy of a flow, of a mob, or that of all others; False if there was none."""
        return await self._storage.retention.clear_policy(mob, flow)

    async def get_retention(self, mob: str | None = None, flow: str | None = None) -> RetentionPolicy | None:
        """The policy of a flow of its own, of a mob, or that of all others; None if there is none."""
        group = mob if flow is None or mob is None else (mob, flow)
        return (await self._storage.retention.policies()).groups.get(group)

    async def retention(self) -> RetentionPolicies:
        """All policies."""
        return await self._storage.retention.policies()

    async def prune(
        self, *, dry_run: bool = False, most: int | None = None, policies: RetentionPolicies | None = None
    ) -> PruneReport:
        """Apply the policies once, here and now, to at most so many runs (contract: operations-82).

        With `dry_run` nothing is deleted, and the report says what would be; then other `policies` than those that are
        set can be tried. If this was interrupted, calling it again goes on. Raises ValidationError for policies without
        `dry_run`.
        """
        tried = optional_instance("policies", policies, RetentionPolicies)
        if tried is not None and not flag("dry_run", dry_run):
            raise ValidationError("policies are for a dry run: set_retention sets those that are applied")
        most = None if most is None else integer("most", most, least=0)
        sweep = Sweep(self._storage.retention, self._storage.steering)
        return await sweep.round(
            tried or await self._storage.retention.policies(), dry_run=flag("dry_run", dry_run), most=most
        )

    async def stats(self) -> NamespaceStats:
        """How much there is in the namespace, what memory it takes, and what bounds it (contract: operations-85)."""
        return await read_stats(self._storage)
