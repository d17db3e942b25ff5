"""A namespace that is open on a server: what the rooms above the stores keep there goes through this."""

from __future__ import annotations

from typing import NamedTuple

from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys


class OpenNamespace(NamedTuple):
    """The connection to a namespace, and the names of its keys."""

    client: Client
    keys: Keys
