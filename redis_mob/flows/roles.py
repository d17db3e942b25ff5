"""The roles of a mob that is written in Python: who does a step, and what its steps are like unless they say more."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import PurePath
from typing import Any, cast

from redis_mob.errors import DefinitionError, shown
from redis_mob.fleet.schemas import read_schema
from redis_mob.fleet.step_context import Handler
from redis_mob.fleet.typed.binding import BoundHandler
from redis_mob.models.base import check_value
from redis_mob.models.profile import ProfileBinding
from redis_mob.models.typed_values import adapter_of


@dataclass(frozen=True, slots=True)
class Role:
    """A role with its profile, its handler if this program has one, and what holds for its steps."""

    profile: ProfileBinding
    handler: BoundHandler | None = None
    members: int = 1
    retries: int | None = None
    timeout: float | timedelta | None = None


@dataclass(frozen=True, slots=True)
class Roles:
    """The roles of a mob by their names."""

    by_name: dict[str, Role] = field(default_factory=dict[str, Role])

    def handlers(self) -> Mapping[str, Handler]:
        """The handlers by role."""
        return {name: role.handler.function for name, role in self.by_name.items() if role.handler is not None}

    def members(self) -> Mapping[str, int]:
        """How many members the roles have that have more than one."""
        return {name: role.members for name, role in self.by_name.items() if role.members != 1}


def output_schema(role: Role) -> str | None:
    """The schema of what the role's handler says that it returns, as JSON; None if it says nothing."""
    declared = None if role.handler is None else role.handler.declared.output
    return None if declared is None else schema_text(declared.adapter.json_schema(mode="serialization", by_alias=False))


def schema_of(schema: Any, of: str) -> str | None:
    """A schema as the definition holds it: JSON text, or the path of a file.

    Raises DefinitionError, also for a file that is not there, or holds no schema: it is read again when a run starts.
    """
    if schema is None:
        return None
    if isinstance(schema, str | PurePath | Mapping | bool):
        text = str(schema) if isinstance(schema, str | PurePath) else _written(cast("Any", schema), of)
        read_schema(f"{of}: schema", text)
        return text
    try:
        return schema_text(adapter_of(schema).json_schema(mode="validation", by_alias=False))
    except Exception as error:
        raise DefinitionError(f"{of}: there is no JSON schema of {shown(schema)}: {error}") from error


def _written(schema: Mapping[str, Any] | bool, of: str) -> str:
    try:
        return schema_text(check_value(schema if isinstance(schema, bool) else dict(schema)))
    except (ValueError, RecursionError) as error:
        raise DefinitionError(f"{of}: schema is no JSON: {error}") from error


def schema_text(schema: Any) -> str:
    """A schema as JSON that is the same for equal schemas, so that the digest of a definition is."""
    return json.dumps(schema, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
