"""How often logins may fail: from one address, and from all together (contract: ui-4)."""

from __future__ import annotations

import ipaddress
import math
import time
from collections.abc import Callable

from redis_mob.ui.refusals import TooManyError

MOST_OF_ONE = 10
"""Logins of one address that may fail in a row; then one more each `SECONDS_OF_ONE`."""

SECONDS_OF_ONE = 6.0

MOST_OF_ALL = 200
"""Logins of all addresses that may fail in a row; then one more each `SECONDS_OF_ALL`."""

SECONDS_OF_ALL = 0.3

MOST_ADDRESSES = 10_000
"""Addresses of which failures are known; the oldest ones are forgotten, and the bound of all together goes on."""

_ALL = ""


class LoginRate:
    """Counts failed logins, each as long as it counts."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}
        """When the failures of an address will all have been forgotten."""

    def check(self, address: str) -> None:
        """Raise TooManyError if no login of this address is looked at for now."""
        wait = max(
            self._wait(_network(address), MOST_OF_ONE, SECONDS_OF_ONE), self._wait(_ALL, MOST_OF_ALL, SECONDS_OF_ALL)
        )
        if wait > 0:
            seconds = math.ceil(wait)
            message = f"too many logins have failed: try again in {seconds} seconds"
            raise TooManyError(message, {"Retry-After": str(seconds)})

    def failed(self, address: str) -> None:
        """Count a login that has failed."""
        now = self._clock()
        for key, seconds in ((_network(address), SECONDS_OF_ONE), (_ALL, SECONDS_OF_ALL)):
            self._until[key] = max(self._until.pop(key, now), now) + seconds
        while len(self._until) > MOST_ADDRESSES:
            del self._until[next(key for key in self._until if key != _ALL)]

    def _wait(self, key: str, most: int, seconds: float) -> float:
        return self._until.get(key, 0.0) - self._clock() - (most - 1) * seconds


def _network(address: str) -> str:
    """What counts as one address: of IPv6 the network that one customer has."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:100]
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    plain = found.ipv4_mapped
    return str(ipaddress.ip_network((int(found), 64), strict=False)) if plain is None else str(plain)
