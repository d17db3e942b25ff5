"""Kernel states made of their field groups, which are as they were written if their digest says so (decision 0002)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from itertools import chain
from typing import Any, Generic, TypeVar

from redis_mob.codec.field_groups import (
    BESIDE,
    DIGEST_SIZE,
    MEMORY,
    NO_BLOCKS,
    PLAN,
    SCHEDULER,
    UNKNOWN,
    Digests,
    Group,
    Row,
    Snapshot,
)
from redis_mob.codec.layouts import LAYOUTS, Column, Layout
from redis_mob.codec.packing import UNPACK_ERRORS, unpack
from redis_mob.codec.snapshots import are_blocks
from redis_mob.codec.unknown_fields import decode_fields, read_group, with_unknown_fields
from redis_mob.errors import SerializationError
from redis_mob.models.base import Model, SortedDict, presorted
from redis_mob.models.flow import FrameSnapshot, LoopSnapshot

S = TypeVar("S", bound=Model)
H = TypeVar("H", FrameSnapshot, LoopSnapshot)


def decode(model: type[S], groups: Mapping[bytes, bytes], digest: bytes) -> S:
    """The state whose groups these are. Raises SerializationError as `whole` and `Whole.state` do."""
    return whole(model, groups, digest).state()


@dataclass(frozen=True, slots=True)
class Whole(Generic[S]):
    """The groups of a state, of which its digest says that they are as they were written."""

    model: type[S]
    groups: dict[bytes, Group]
    digests: Digests
    digest: bytes

    def state(self) -> S:
        """The state. Raises SerializationError if its groups are not what this layout writes: what a digest vouches
        for is not validated a second time."""
        layout = LAYOUTS[self.model]
        groups, digests, digest = self.groups, self.digests, self.digest
        if BESIDE in groups:
            groups = {name: group for name, group in groups.items() if name != BESIDE}
            digests = Digests.of(groups)
            digest = digests.digest
        unknown = groups.get(UNKNOWN)
        try:
            fields, rows = _fields(layout, groups)
            extra = None if unknown is None else decode_fields(unknown.data)
        except UNPACK_ERRORS as error:
            raise SerializationError(f"{self.model.__name__}: {error}") from error
        state = with_unknown_fields(self.model.unchecked(**fields), extra)
        vars(state)[MEMORY] = Snapshot(
            groups,
            digest,
            layout.values(fields),
            rows,
            digests,
            are_blocks(groups, rows, fields[layout.ids] if layout.ids else ()),
            unknown,
        )
        return state

    def of(self, holder: H) -> H:
        """The frame or loop of this state, which was just made, with the unknown fields that stand beside it."""
        group = self.groups.get(BESIDE)
        return holder if group is None else with_unknown_fields(holder, decode_fields(group.data))


def whole(model: type[S], groups: Mapping[bytes, bytes], digest: bytes) -> Whole[S]:
    """The groups of a state, once it is clear that they are whole.

    Raises SerializationError if they do not match the digest.
    """
    found = {name: Group(data, blake2b(data, digest_size=DIGEST_SIZE).digest()) for name, data in groups.items()}
    blocks = sorted((name for name in found if name not in NO_BLOCKS), key=_by_number)
    ordered = {name: found[name] for name in (PLAN, *blocks, SCHEDULER) if name in found}
    if len(ordered) < len(found):
        ordered.update(_groups_of_unknown(model, groups))
    digests = Digests.of(ordered)
    if digests.digest != digest:
        raise SerializationError(f"{model.__name__}: the stored groups do not match their digest")
    return Whole(model, ordered, digests, digest)


def _groups_of_unknown(model: type[Model], groups: Mapping[bytes, bytes]) -> dict[bytes, Group]:
    """The groups of unknown fields, in their order."""
    try:
        return {name: read_group(groups[name]) for name in (UNKNOWN, BESIDE) if name in groups}
    except (ValueError, RecursionError) as error:
        raise SerializationError(f"{model.__name__}: unknown fields cannot be read: {error}") from error


def _by_number(block: bytes) -> tuple[int, bytes]:
    return len(block), block


def _fields(layout: Layout[Any], groups: Mapping[bytes, Group]) -> tuple[dict[str, Any], tuple[Row, ...]]:
    blocks = [name for name in groups if name not in NO_BLOCKS]
    plan = groups[PLAN].data
    fields = (_small_plan if len(plan) <= _SMALL else _plan_fields)(layout.model, plan).copy()
    fields.update(zip(layout.scheduler, unpack(groups[SCHEDULER].data), strict=True))
    for name, kind in layout.enums.items():
        fields[name] = kind(fields[name])
    for name in layout.maps:
        fields[name] = presorted(fields[name].items())
    ids: tuple[str, ...] = fields[layout.ids] if layout.ids else ()
    rows = tuple(map(_joined, zip(*(unpack(groups[name].data) for name in blocks), strict=True)))
    if not blocks:
        rows = tuple(Row(None, column.write(())) for column in layout.block_columns.values())
    fields.update(_columns(layout.block_columns, ids, rows))
    return fields, rows


def _plan_fields(model: type[Model], plan: bytes) -> dict[str, Any]:
    """The fields that never change, its columns included, as a plan has them."""
    layout = LAYOUTS[model]
    scalars, rows = unpack(plan)
    fields: dict[str, Any] = dict(zip(layout.plan, scalars, strict=True))
    fields.update(_columns(layout.plan_columns, fields[layout.ids] if layout.ids else (), rows))
    return fields


_SMALL = 8192
"""How long a plan is that is remembered; decoded, it takes some ten times as much."""

_small_plan = lru_cache(maxsize=64)(_plan_fields)
"""The same. A run is read again and again, and many runs of a flow have one plan; what is in it cannot be changed."""


def _columns(
    columns: Mapping[str, Column], ids: tuple[str, ...], rows: Iterable[tuple[tuple[str, ...] | None, Any]]
) -> dict[str, SortedDict[Any]]:
    """The maps whose rows these are."""
    return {
        name: presorted(zip(ids if keys is None else keys, column.read(values), strict=True))
        for (name, column), (keys, values) in zip(columns.items(), rows, strict=True)
    }


def _joined(parts: tuple[tuple[tuple[str, ...] | None, Any], ...]) -> Row:
    """One row of a column from its slices in every block."""
    values = [part[1] for part in parts]
    if len(values) == 1:
        return Row(parts[0][0], values[0])
    joined = b"".join(values) if isinstance(values[0], bytes) else tuple(chain.from_iterable(values))
    return Row(parts[0][0], joined)
