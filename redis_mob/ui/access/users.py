"""Users and their roles."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a user may do: look at everything, or also change it."""

    READ = "read"
    OPERATE = "operate"


@dataclass(frozen=True, slots=True)
class User:
    """Who asks."""

    name: str
    role: Role
