"""Where workers post to: who may write to a namespace may have its workers send requests, so a worker may be told where
not to."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
from enum import StrEnum

from redis_mob.errors import ValidationError, shown

VARIABLE = "REDIS_MOB_WEBHOOKS"
"""The environment variable of a worker that says where it posts."""


class Targets(StrEnum):
    """ANY: to each address. PUBLIC: to those of the internet alone, and not through a proxy. OFF: it delivers
    nothing."""

    ANY = "any"
    PUBLIC = "public"
    OFF = "off"

    @classmethod
    def of_environment(cls) -> Targets:
        """What the environment of this process says, ANY if it says nothing. Raises ValidationError."""
        said = os.environ.get(VARIABLE, cls.ANY)
        try:
            return cls(said)
        except ValueError:
            known = ", ".join(cls)
            raise ValidationError(f"{VARIABLE} is {shown(said)}: give one of {known}, or leave it out") from None


class NotPublicError(Exception):
    """The host of a webhook has an address that is none of the internet, and only those are allowed."""


async def public_address(host: str, port: int) -> str:
    """An address of a host, all of whose addresses are public. Raises NotPublicError, and OSError if it has none.

    The request has to go to this address: if the name is looked up once more it may lead elsewhere.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(address[0]) for *_, address in found]
    for address in addresses:
        if not _is_public(address):
            raise NotPublicError
    return addresses[0]


def _is_public(address: str) -> bool:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    inner = getattr(parsed, "ipv4_mapped", None) or getattr(parsed, "sixtofour", None) or parsed
    if isinstance(inner, ipaddress.IPv6Address) and inner in _NAT64:
        inner = ipaddress.IPv4Address(int(inner) & 0xFFFFFFFF)
    return inner.is_global and not inner.is_multicast


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
