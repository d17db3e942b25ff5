"""Definitions of mobs as bytes: those of runs behind what a release must know, specs behind their revision."""

from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

from pydantic import ValidationError
from pydantic_core import to_json

from redis_mob.codec.documents import decode_revision, encode_document
from redis_mob.errors import SerializationError, shortened, shown
from redis_mob.models.base import Items, Model
from redis_mob.models.definition import MobDefinition
from redis_mob.models.flow_spec import FlowSpec
from redis_mob.models.problems import problems
from redis_mob.models.run import MobRun

_NEEDS = b'{"needs":'
"""What the record of a definition begins with that an older release must not run: to it that is no definition. It would
drop the keys that it does not know, and execute the steps in another way."""

_FOR_EACH, _WAIT_FOR, _FLOW, _FORK = "for_each", "wait_for", "flow", "fork"
_LIMITS, _UNITS, _ESCALATION, _BUDGETS = "limits", "units", "escalation", "budgets"
"""What this release knows of such things: fields of steps that an older one lacks, runs that take over the outputs of
another one, which an older release would execute from the start, limits and budgets, which it would not keep, and
supervisors that are told of failures."""

_KNOWN = (_FOR_EACH, _WAIT_FOR, _FLOW, _FORK, _LIMITS, _UNITS, _ESCALATION, _BUDGETS)


class _NeedingDefinition(Model):
    """A definition behind the names of what a release must know to run it."""

    needs: Items[str]
    definition: MobDefinition


def encode_definition(definition: MobDefinition, *, forked: bool = False) -> tuple[str, bytes]:
    """(digest, record) of a definition: its JSON, or that behind what a release must know to run it.

    That of `forked` runs is another record, which an older release does not take for a definition (decision 0030).
    Raises like `encode_document`. The last definitions are remembered: a fleet starts many runs of one, and encoding it
    would be the greatest part of a start.
    """
    return _encoded_definition(_Same(definition), forked)


def digests_of(definition: MobDefinition) -> tuple[str, str]:
    """Under which digests a definition is stored: for its runs, and for those that were forked."""
    return encode_definition(definition)[0], encode_definition(definition, forked=True)[0]


def flow_of_run(definition: MobDefinition, run: MobRun) -> FlowSpec:
    """The flow of a run in the definition that it was started with. Raises as `flow_of`."""
    return flow_of(definition, run.run_id, run.flow_id)


def flow_of(definition: MobDefinition, run_id: str, flow_id: str) -> FlowSpec:
    """A flow that a run has. Raises SerializationError if its definition has none of this name, as that of a run which
    an older release has imported."""
    flow = definition.flows.get(flow_id)
    if flow is None:
        raise SerializationError(
            f"run {run_id} is one of flow {shown(flow_id)}, which its definition, of mob {shown(definition.id)}, does "
            "not have: no worker can do its steps. Delete it with --cancel (in Python: cancel=True)"
        )
    return flow


@dataclass(frozen=True, slots=True, eq=False)
class _Same:
    """A definition as the very object that it is; comparing what is in it would take as long as encoding it."""

    definition: MobDefinition

    def __hash__(self) -> int:
        return id(self.definition)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.definition is self.definition


@lru_cache(maxsize=16)
def _encoded_definition(same: _Same, forked: bool) -> tuple[str, bytes]:
    data = encode_document("the definition", "definition", same.definition, MobDefinition)
    if needs := [*_needs_of(same.definition), *([_FORK] if forked else [])]:
        data = b'%b%b,"definition":%b}' % (_NEEDS, to_json(needs), data)
    return blake2b(data, digest_size=16).hexdigest(), data


def decode_definition(digest: str, data: bytes) -> MobDefinition:
    """The definition of a record. Raises SerializationError for one that cannot be read, or needs a later release."""
    try:
        if not data.startswith(_NEEDS):
            return MobDefinition.model_validate_json(data)
        stored = _NeedingDefinition.model_validate_json(data)
    except ValueError as error:
        raise SerializationError(f"definition {shortened(digest)}: {error}") from error
    if unknown := [name for name in stored.needs if name not in _KNOWN]:
        raise SerializationError(
            f"definition {shortened(digest)} has {', '.join(map(shown, unknown))}, which this release does not know: "
            "its runs are for workers of a later one"
        )
    return stored.definition


def _needs_of(definition: MobDefinition) -> list[str]:
    steps = [step for flow in definition.flows.values() for step in flow.steps.values()]
    fields = (_FOR_EACH, _WAIT_FOR, _FLOW)
    needs = [name for name in fields if any(getattr(step, name) is not None for step in steps)]
    needs += [_LIMITS] * any(flow.has_limits for flow in definition.flows.values())
    needs += [_UNITS] * any(flow.limits_units for flow in definition.flows.values())
    return needs + [_ESCALATION] * definition.escalates + [_BUDGETS] * definition.has_budgets


def decode_spec(mob_id: str, stored: bytes) -> tuple[MobDefinition, int]:
    """A definition and its revision. Raises SerializationError naming the mob and the field."""
    what = spec_of(mob_id)
    revision, _, definition = stored.partition(b" ")
    number = decode_revision(what, revision)
    try:
        return MobDefinition.model_validate_json(definition), number
    except ValidationError as error:
        raise SerializationError(f"{what}: {problems(error)}") from error


def spec_of(mob_id: str) -> str:
    """How messages name a spec."""
    return f"spec of mob {shown(mob_id)}"
