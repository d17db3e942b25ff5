"""Published: one fleet over several namespaces, which may lie on several servers (docs/scale.md)."""

from redis_mob.connection.calls.spread_names import spread_names
from redis_mob.sharding.failures import NamespacesFailedError
from redis_mob.sharding.fleet import FleetOfNamespaces
from redis_mob.sharding.merged_log import MergedLog, NamespaceEvent
from redis_mob.sharding.merged_runs import FleetPage, FoundRun

__all__ = [
    "FleetOfNamespaces",
    "FleetPage",
    "FoundRun",
    "MergedLog",
    "NamespaceEvent",
    "NamespacesFailedError",
    "spread_names",
]
