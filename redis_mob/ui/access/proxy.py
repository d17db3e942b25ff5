"""A proxy in front of the page that knows who asks, as one for OpenID Connect does, and says so in a header."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection

from redis_mob.errors import ValidationError, shown
from redis_mob.ui.access.tokens import checked_name
from redis_mob.ui.access.users import Role, User
from redis_mob.ui.refusals import UnauthorizedError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


@dataclass(frozen=True, slots=True)
class TrustedProxy:
    """What is believed of a proxy: `header` names the user, if the request comes from one of `addresses`.

    Users operate if they are among `operators`, or if `operate_role` is among the names, with commas between them, in
    `roles_header`; the others look. Without both, all of them look.
    """

    header: str
    addresses: tuple[Network, ...] = _LOOPBACK
    roles_header: str | None = None
    operate_role: str = "operate"
    operators: frozenset[str] = field(default=frozenset())

    def user_of(self, connection: HTTPConnection) -> User | None:
        """The user that the proxy names; None for a request that does not come from it.

        Raises UnauthorizedError if it names none, or several.
        """
        if not self.is_from_proxy(connection):
            return None
        named = connection.headers.getlist(self.header)
        if len(named) != 1:
            raise UnauthorizedError(f"the proxy has sent the header {self.header} {len(named)} times, not once")
        try:
            name = checked_name(named[0].strip(), f"header {self.header}")
        except ValidationError as error:
            raise UnauthorizedError(str(error)) from None
        return User(name, Role.OPERATE if self._operates(name, connection) else Role.READ)

    def is_from_proxy(self, connection: HTTPConnection) -> bool:
        """Whether a request comes from the proxy."""
        try:
            peer = ipaddress.ip_address(connection.client.host if connection.client else "")
        except ValueError:
            return False
        plain = getattr(peer, "ipv4_mapped", None) or peer
        return any(plain in network for network in self.addresses if network.version == plain.version)

    def _operates(self, name: str, connection: HTTPConnection) -> bool:
        roles = [] if self.roles_header is None else connection.headers.getlist(self.roles_header)
        named = {role.strip() for line in roles for role in line.split(",")}
        return name in self.operators or self.operate_role in named


def networks(addresses: Sequence[str]) -> tuple[Network, ...]:
    """The addresses of a proxy, each one address or a network; those of this host if none are given.

    Raises ValidationError for what is none.
    """
    try:
        return tuple(map(ipaddress.ip_network, addresses)) or _LOOPBACK
    except ValueError as error:
        raise ValidationError(f"--proxy-address {shown(list(addresses))}: {error}") from None
