"""What the page's server is told when it is started."""

from __future__ import annotations

from dataclasses import dataclass, field

LOOPBACK_HOST = "127.0.0.1"
DEFAULT_PORT = 8790


@dataclass(frozen=True, slots=True)
class UiSettings:
    """Where the page is served, and for whom."""

    host: str = LOOPBACK_HOST
    port: int = DEFAULT_PORT
    local_user: str = field(default="local")
    """The name of the user of this machine, who operates where nothing else says who asks."""
