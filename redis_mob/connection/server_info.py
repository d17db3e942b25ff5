"""What a server says it is, and whether this library can work with it."""

from __future__ import annotations

import re
from dataclasses import dataclass

OLDEST = {"Redis": (7, 0), "Valkey": (7, 2)}
"""The oldest supported versions."""


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """A server's product and version; `mode` is `standalone` for one that can hold a storage."""

    product: str
    version: tuple[int, ...]
    mode: str = "standalone"

    def __str__(self) -> str:
        return f"{self.product} {'.'.join(map(str, self.version))}"

    @classmethod
    def parse(cls, info: bytes) -> ServerInfo:
        """Read the server section of INFO. Valkey also reports the Redis version it is compatible with."""
        fields = dict(line.split(":", 1) for line in info.decode(errors="replace").splitlines() if ":" in line)
        product = "Valkey" if fields.get("server_name") == "valkey" else "Redis"
        version = fields.get(f"{product.lower()}_version", "")
        mode = fields.get("redis_mode") or fields.get("server_mode") or "standalone"
        return cls(product, tuple(map(int, re.findall(r"\d+", version))), mode)

    @property
    def problem(self) -> str | None:
        """Why this server cannot be used, or None if it can."""
        if self.mode == "sentinel":
            return "it is a Sentinel, which holds no data: give the address of the primary"
        if self.mode == "cluster":
            return "it is a node of a Redis Cluster, which this version does not support: use a single server"
        if self.version < OLDEST[self.product]:
            found = str(self) if self.version else f"a {self.product} of unknown version"
            oldest = " or ".join(f"{product} {major}.{minor}" for product, (major, minor) in OLDEST.items())
            return f"it is {found}, which is too old: {oldest} or later is needed"
        return None
