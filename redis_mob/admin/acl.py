"""The rights that one namespace needs on a server, in the words of its access control lists."""

from __future__ import annotations

import re
from dataclasses import dataclass

from redis_mob.connection.calls.durability import Durability
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.rights import commands_needed
from redis_mob.connection.servers.address import Address, EmbeddedAddress, MemoryAddress
from redis_mob.errors import ValidationError, shown

PASSWORD_PLACE = "#SHA256-OF-THE-PASSWORD"  # noqa: S105
"""Stands where the password belongs. No server takes it, so that it cannot become the password by mistake."""

_USER = re.compile(r"[A-Za-z0-9._@:/+-]+")


@dataclass(frozen=True, slots=True)
class Rights:
    """What a user may do: run `commands`, on keys and channels that match the patterns."""

    keys: str
    channels: str
    commands: tuple[str, ...]

    def __str__(self) -> str:
        """The rule: all rights that the user had are gone, then it gets these."""
        granted = " ".join(f"+{command}" for command in self.commands)
        return f"resetkeys resetchannels clearselectors -@all ~{self.keys} &{self.channels} {granted}"

    def set_user(self, user: str) -> str:
        """The command that gives these rights, and a password that is still to be put in, to a user.

        Raises ValidationError for a name that would have to be quoted.
        """
        if _USER.fullmatch(user) is None:
            raise ValidationError(f"{shown(user)} is no name for a user: use characters of A-Z a-z 0-9 . _ @ : / + -")
        return f"ACL SETUSER {user} on {PASSWORD_PLACE} {self}"


def rights_in(namespace: str, durability: Durability, *, database: int = 0, backups: bool = False) -> Rights:
    """The least rights with which everything of this library works in one namespace, on any topology.

    Backups, restores and moves need more, `backups`: they look through the names of all keys of the server.
    Raises ValidationError for a bad name.
    """
    everything = Keys(namespace).pattern
    return Rights(everything, everything, commands_needed(durability, database=database, backups=backups))


def user_in(address: Address) -> str | None:
    """The user that an address names."""
    return None if isinstance(address, MemoryAddress | EmbeddedAddress) else address.credentials.user
