"""What a definition file, or a mob written in Python, says of retention: the policies of the mob and of its flows.

It stands beside the definition and is no part of it, so that changing it makes no other definition (decision 0040).
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from typing import Any, Self, cast

import pydantic
from pydantic import Field

from redis_mob.errors import DefinitionError, nearest, shown
from redis_mob.models.base import Model, SortedDict, is_none
from redis_mob.models.documents import complaints, read_toml
from redis_mob.models.retention import Group, RetentionPolicy
from redis_mob.models.retention_text import HOW_TO_WRITE_AN_AGE, age_text, read_age
from redis_mob.models.unknown_keys import below, unknown_key

TABLE = "retention"
"""The table of a definition file."""

_FLOWS = "flows"
_PATH = f"{TABLE}.{_FLOWS}"
_AGES = ("completed", "failed", "canceled", "keep_key")
_NUMBERS = ("max_runs",)
_OF_EVENTS = ("events", "max_events")


class MobRetention(Model):
    """The retention policy of a mob, and those of its flows that have one of their own.

    None of them bounds events, whose log is that of all mobs (contract: operations-80, operations-89).
    """

    policy: RetentionPolicy | None = Field(default=None, exclude_if=is_none)
    flows: SortedDict[RetentionPolicy] = SortedDict()

    @classmethod
    def from_table(cls, table: object, flows: Collection[str]) -> Self:
        """Read the table [retention] of a mob with these flows; a mob without one says nothing.

        Raises DefinitionError with a line for each key that there is not, with the nearest one that there is, and for
        each value that makes no sense.
        """
        if table is None:
            return cls()
        problems: list[str] = []
        found = _table(TABLE, table, problems)
        own = {key: value for key, value in found.items() if key != _FLOWS}
        policy = _policy(TABLE, own, problems, also=(_FLOWS,)) if own else None
        of_flows: dict[str, RetentionPolicy] = {}
        for flow, fields in _table(_PATH, found.get(_FLOWS, {}), problems).items():
            here = below(_PATH, flow)
            if flow not in flows:
                problems.append(f"{here}: the mob has no such flow ({nearest(flow, flows)})")
            of_flows[flow] = _policy(here, _table(here, fields, problems), problems)
        if problems:
            raise DefinitionError("\n".join(problems))
        return cls(policy=policy, flows=SortedDict(of_flows))

    @classmethod
    def from_toml(cls, text: str) -> Self:
        """What the TOML of a definition says of retention. Raises DefinitionError as `from_table` does."""
        tables = read_toml(text)
        flows = tables.get(_FLOWS)
        return cls.from_table(tables.get(TABLE), cast("dict[str, Any]", flows) if isinstance(flows, dict) else ())

    def checked(self, flows: Collection[str]) -> Self:
        """The same, for a mob with these flows.

        Raises DefinitionError for a flow that it does not have, and for a policy that bounds events.
        """
        own = {} if self.policy is None else dict(_fields(self.policy))
        of_flows = {flow: dict(_fields(policy)) for flow, policy in self.flows.items()}
        self.from_table({**own, _FLOWS: of_flows}, flows)
        return self

    def to_tables(self) -> dict[str, Any]:
        """The tables of a definition file, from which `from_table` reads an equal one; nothing if it says nothing.

        Raises DefinitionError for an age that is not whole seconds.
        """
        own = {} if self.policy is None else _written(TABLE, self.policy)
        of_flows = {flow: _written(below(_PATH, flow), policy) for flow, policy in self.flows.items()}
        whole = {**own, **({_FLOWS: of_flows} if of_flows else {})}
        return {TABLE: whole} if whole else {}

    def of_mob(self, mob_id: str) -> Mapping[Group, RetentionPolicy]:
        """Each policy by the runs to which it applies."""
        own: dict[Group, RetentionPolicy] = {} if self.policy is None else {mob_id: self.policy}
        return own | {(mob_id, flow): policy for flow, policy in self.flows.items()}


def read_policy(path: str, given: RetentionPolicy | Mapping[str, Any]) -> RetentionPolicy:
    """The policy of a mob or a flow from its fields, in which ages are texts as 7d, or timedeltas.

    Raises DefinitionError naming the path, the key and its value; also for a policy that bounds events.
    """
    problems: list[str] = []
    fields = dict(_fields(given)) if isinstance(given, RetentionPolicy) else given
    policy = _policy(path, _table(path, fields, problems), problems)
    if problems:
        raise DefinitionError("\n".join(problems))
    return policy


def _table(path: str, value: object, problems: list[str]) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return cast("Mapping[str, Any]", value)
    problems.append(f"{path}: must be a table (an object in JSON), not {shown(value)}")
    return {}


def _policy(path: str, fields: Mapping[str, Any], problems: list[str], also: tuple[str, ...] = ()) -> RetentionPolicy:
    """The policy of a table, which may have other keys `also`; what is wrong with it goes to `problems`."""
    read: dict[str, Any] = {}
    for key, value in fields.items():
        here = below(path, str(key))
        if key in _NUMBERS:
            read[key] = value
        elif key in _AGES:
            age = value if isinstance(value, timedelta) else read_age(value) if isinstance(value, str) else None
            if age is None:
                problems.append(f"{here}: is no age: {shown(value)}; {HOW_TO_WRITE_AN_AGE}")
            read[key] = age
        elif key in _OF_EVENTS:
            command = f"redis-mob retention set --{key.replace('_', '-')}"
            problems.append(f"{here}: the log of events is that of all mobs; bound it with {command}")
        else:
            problems.append(unknown_key(here, nearest(str(key), (*_AGES, *_NUMBERS, *also))))
    try:
        return RetentionPolicy.model_validate(read)
    except pydantic.ValidationError as error:
        problems += (f"{path}.{line}" for line in complaints(error, read).splitlines())
        return RetentionPolicy()


def _fields(policy: RetentionPolicy) -> Iterator[tuple[str, Any]]:
    return ((key, value) for key, value in policy if value is not None)


def _written(path: str, policy: RetentionPolicy) -> dict[str, str | int]:
    written = {key: age_text(value) if isinstance(value, timedelta) else value for key, value in _fields(policy)}
    for key, value in written.items():
        if isinstance(value, str) and read_age(value) is None:
            raise DefinitionError(f"{below(path, key)}: TOML cannot say this: {value} is not whole seconds")
    return written
