"""What a server says it is, and whether this library can work with it."""

from __future__ import annotations

import re
from dataclasses import dataclass

OLDEST = {"Redis": (7, 0), "Valkey": (7, 2)}
"""The oldest supported versions."""


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """A server's product and version; `mode` is `standalone`, `cluster` or `sentinel`."""

    product: str
    version: tuple[int, ...]
    mode: str = "standalone"

    def __str__(self) -> str:
        return f"{self.product} {'.'.join(map(str, self.version))}"

    @classmethod
    def parse(cls, info: bytes) -> ServerInfo:
        """Read the server section of INFO. Valkey also reports the Redis version it is compatible with."""
        fields = fields_of(info)
        product = "Valkey" if fields.get("server_name") == "valkey" else "Redis"
        version = fields.get(f"{product.lower()}_version", "")
        mode = fields.get("redis_mode") or fields.get("server_mode") or "standalone"
        return cls(product, tuple(map(int, re.findall(r"\d+", version))), mode)

    @property
    def has_waitaof(self) -> bool:
        """Whether one can wait until it has written to its disk."""
        return self.product == "Valkey" or self.version >= (7, 2)

    def problem(self, *, in_cluster: bool = False) -> str | None:
        """Why this server cannot be used, alone or as a node of a Cluster; None if it can."""
        if self.mode == "sentinel":
            return "it is a Sentinel, which holds no data: open its service with redis+sentinel://host:26379/service"
        # refused, because it would redirect most requests, which a storage of one server does not follow
        if self.mode == "cluster" and not in_cluster:
            return "it is a node of a Redis Cluster: open it with redis+cluster:// instead of redis://"
        if self.version < OLDEST[self.product]:
            found = str(self) if self.version else f"a {self.product} of unknown version"
            oldest = " or ".join(f"{product} {major}.{minor}" for product, (major, minor) in OLDEST.items())
            return f"it is {found}, which is too old: {oldest} or later is needed"
        return None


def fields_of(text: bytes) -> dict[str, str]:
    """The `name:value` lines of INFO and CLUSTER INFO."""
    lines = text.decode(errors="replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)
