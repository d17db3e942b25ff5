"""All troubles, by the names under which the command knows them."""

from __future__ import annotations

from collections.abc import Mapping

from redis_mob.testing.robustness.nemesis import Nemesis
from redis_mob.testing.robustness.network_nemeses import (
    Partition,
    PartitionOfReplies,
    PartitionOfRequests,
    RepliesLost,
    Requests,
    RequestsLost,
)
from redis_mob.testing.robustness.server_nemeses import Clock, DiskFull, Kill, MemoryFull, Pause, SlowDisk
from redis_mob.testing.robustness.topology_nemeses import HandOver, PrimaryDies, Resharding, WorkerDies, WorkerPauses

NEMESES: Mapping[str, type[Nemesis]] = {
    one.name: one
    for one in (
        Nemesis,
        Kill,
        Pause,
        Clock,
        DiskFull,
        MemoryFull,
        SlowDisk,
        Requests,
        RepliesLost,
        RequestsLost,
        Partition,
        PartitionOfReplies,
        PartitionOfRequests,
        PrimaryDies,
        HandOver,
        Resharding,
        WorkerDies,
        WorkerPauses,
    )
}
"""All of them, by name."""


def of_topology(topology: str, *, fleets: bool = False) -> list[str]:
    """The names of those that can break a topology, and can be used on this machine."""
    return [
        name
        for name, one in NEMESES.items()
        if topology in one.topologies and not one.missing() and (fleets or not one.is_of_fleets)
    ]
