"""Which locator finds the server that holds a namespace."""

from __future__ import annotations

from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.servers.address import ClusterAddress, SentinelAddress, ServiceAddress
from redis_mob.connection.servers.cluster import ClusterLocator
from redis_mob.connection.servers.locator import FixedLocator, Locator
from redis_mob.connection.servers.sentinel import SentinelLocator
from redis_mob.errors import InternalError, shortened


def locator_of(address: ServiceAddress, namespace: str | None) -> Locator:
    """The locator for an address. Raises InternalError for a Cluster without a namespace."""
    if isinstance(address, SentinelAddress):
        return SentinelLocator(address)
    if not isinstance(address, ClusterAddress):
        return FixedLocator(address)
    if namespace is None:
        raise InternalError(f"{shortened(address)} has many servers: name the namespace, as in connect(url, namespace)")
    return ClusterLocator(address, Keys(namespace).meta)
