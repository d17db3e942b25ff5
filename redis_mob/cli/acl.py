"""What `redis-mob acl` prints: the command that gives a user its rights, or its parts."""

from __future__ import annotations

from redis_mob.admin.acl import Rights
from redis_mob.models.base import json_text


def as_json(rights: Rights, user: str) -> str:
    """One JSON object on one line."""
    return json_text(
        {
            "user": user,
            "keys": [rights.keys],
            "channels": [rights.channels],
            "commands": list(rights.commands),
            "rule": str(rights),
        }
    )
