"""The tokens that requests to a port have to carry, and the addresses that need none."""

from __future__ import annotations

import hmac
import ipaddress

from redis_mob.errors import ValidationError

ALL_ADDRESSES = ("0.0.0.0", "::")  # noqa: S104 - compared with what users give, never bound to
"""The addresses that stand for all of a host."""

SHORTEST_TOKEN = 16
"""Characters of a token: a shorter one can be guessed."""


def checked_token(token: str, source: str) -> str:
    """The same token, of an option, a variable or a line of a file. Raises ValidationError, which does not show it, for
    one that can be guessed, or that no header can carry."""
    if len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise ValidationError(f"{source}: a token is {SHORTEST_TOKEN} characters or more, of ASCII without spaces")
    return token


def is_the_token(given: str, token: str) -> bool:
    """Whether it is the same, found out in a time that does not tell how much of it is."""
    return hmac.compare_digest(given.encode(), token.encode())


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
