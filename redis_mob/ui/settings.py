"""What the page's server is told when it is started."""

from __future__ import annotations

from dataclasses import dataclass

from redis_mob.connection.retry import RetryPolicy
from redis_mob.errors import ValidationError
from redis_mob.security.bearer_tokens import is_loopback
from redis_mob.ui.access.proxy import TrustedProxy
from redis_mob.ui.access.tokens import OPERATE_VARIABLE, READ_VARIABLE, KnownToken

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8790

RETRY = RetryPolicy(deadline=3.0, connect_timeout=2.0, reply_timeout=2.0)
"""How long the page's server waits for the storage: people who look at a page are told early that it is away."""


@dataclass(frozen=True, slots=True)
class UiSettings:
    """Where the page is served, and for whom.

    With `tokens` people log in, with a `proxy` that says who asks. Without both, on loopback alone, `local_user` is the
    name of the one who asks, and operates. `allowed_hosts` are further names of this host, in lower case.
    """

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    tokens: tuple[KnownToken, ...] = ()
    proxy: TrustedProxy | None = None
    allowed_hosts: tuple[str, ...] = ()
    local_user: str = "local"

    def __post_init__(self) -> None:
        """Raise ValidationError for a page that all who reach it could use."""
        if not (self.tokens or self.proxy or is_loopback(self.host)):
            raise ValidationError(
                f"--host {self.host}: others reach this address, and could steer the fleet: give --token-file, "
                f"{READ_VARIABLE} or {OPERATE_VARIABLE}, or --proxy-header, or serve {DEFAULT_HOST}"
            )
        if self.tokens and self.proxy:
            raise ValidationError("tokens and --proxy-header are both given: who asks is said by one of them")
