"""Snapshots as field groups with digests: what a compare-and-swap sends and compares (decision 0002).

A kernel state becomes a few named groups of bytes, each with a BLAKE2b-128 digest; the digest of the state is the
digest of its groups' digests. Equal states have equal groups, however they were built. Columns that change step by
step lie in blocks, so that one transition of a large run rewrites one block.

An instance remembers its groups together with the field objects they were made from. `model_copy` hands that memory
on, so the encoding of a `next` state costs only the groups whose fields were replaced. Models and their containers
are frozen, which is what makes the identity of a field object proof enough.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import blake2b
from itertools import chain, repeat, zip_longest
from operator import is_
from typing import Any, NamedTuple, TypeVar

from redis_mob.codec.field_checks import KEYS, field_checks, item_checks, require
from redis_mob.codec.layouts import LAYOUTS, VALUES, Column, Layout
from redis_mob.codec.packing import UNPACK_ERRORS, pack, unpack
from redis_mob.errors import InternalError, SerializationError
from redis_mob.models.base import Model, SortedDict, presorted
from redis_mob.models.flow import FlowFrameState, FlowRunState, LoopIterationState

BLOCK = 32
"""Steps (or nodes) whose changing columns share one group."""

DIGEST_SIZE = 16

_PLAN = b"plan"
_SCHEDULER = b"scheduler"
_MEMORY = "_snapshot"

S = TypeVar("S", bound=Model)


class Group(NamedTuple):
    """One field group: its bytes and their digest."""

    data: bytes
    digest: bytes


class Row(NamedTuple):
    """The values of one map in the order of its keys; `keys` is None when they are the ids of the state."""

    keys: tuple[str, ...] | None
    values: Sequence[Any]


class Snapshot(NamedTuple):
    """An encoded state: its groups by name, the digest of all, and what they were made from."""

    groups: dict[bytes, Group]
    digest: bytes
    plan: tuple[object, ...]
    scheduler: tuple[object, ...]
    columns: tuple[object, ...]
    rows: tuple[Row, ...]


_NOTHING = Snapshot({}, b"", (), (), (), ())
"""The memory of a state that was never encoded: nothing is identical to it."""


def _group(value: object) -> Group:
    data = pack(value)
    return Group(data, blake2b(data, digest_size=DIGEST_SIZE).digest())


def _digest_of_digests(groups: Mapping[bytes, Group]) -> bytes:
    total = blake2b(digest_size=DIGEST_SIZE)
    for name, group in groups.items():
        total.update(pack(name))
        total.update(group.digest)
    return total.digest()


_FIELD_CHECKS = {model: field_checks(model) for model in LAYOUTS}
_ITEM_CHECKS = {model: item_checks(model) for model in LAYOUTS}


def encode(state: FlowRunState | FlowFrameState | LoopIterationState) -> Snapshot:
    """The groups and digest of a state. Equal states give equal snapshots; a repeated call costs next to nothing.

    Raises InternalError, naming the field, for a state that does not hold what its fields say: it could not be read
    back.
    """
    fields = vars(state)
    layout = LAYOUTS.get(type(state)) or _layout_of(state)
    before: Snapshot = fields.get(_MEMORY, _NOTHING)

    try:
        plan, scheduler, columns = _sources(layout, fields)
    except KeyError as error:
        raise InternalError(f"{layout.model.__name__} cannot be stored: it has no {error.args[0]}") from None
    _check_changes(layout, before, plan, scheduler, columns)
    same_plan = _identical(before.plan, plan)
    same_scheduler = _identical(before.scheduler, scheduler)
    same_columns = same_plan and _identical(before.columns, columns)
    if same_columns and same_scheduler:
        return before

    ids: tuple[str, ...] = fields[layout.ids] if layout.ids else ()
    comparable = before if same_plan else _NOTHING
    rows = _rows(layout, columns, ids, comparable)
    groups = {
        _PLAN: before.groups[_PLAN] if same_plan else _group(_plan_value(layout, fields, ids)),
        **_blocks(layout, rows, len(ids), comparable),
        _SCHEDULER: before.groups[_SCHEDULER] if same_scheduler else _group(scheduler),
    }
    snapshot = Snapshot(groups, _digest_of_digests(groups), plan, scheduler, columns, rows)
    fields[_MEMORY] = snapshot
    return snapshot


def _layout_of(state: Model) -> Layout[Any]:
    """The layout of a state whose class was made from one of the three."""
    return next(layout for kind, layout in LAYOUTS.items() if isinstance(state, kind))


def _check_changes(layout: Layout[Any], before: Snapshot, *after: tuple[Any, ...]) -> None:
    """Raises InternalError for a field that does not hold what it says; one that is the same object as before does.

    What lies in the columns is checked where they are encoded.
    """
    names = ((*layout.plan, *layout.plan_columns), layout.scheduler, tuple(layout.block_columns))
    checks = _FIELD_CHECKS[layout.model]
    for group, known, values in zip(names, (before.plan, before.scheduler, before.columns), after, strict=True):
        for name, old, value in zip(group, known or repeat(_NOTHING), values, strict=False):
            if old is not value:
                require(layout.model, name, checks[name], value)
                if name in layout.maps:
                    require(layout.model, name, KEYS, tuple(value))
                    _check_items(layout, name, value.values())


def _check_items(layout: Layout[Any], name: str, values: Collection[Any]) -> None:
    """Raises InternalError if values of a mapping are not what its annotation says."""
    require(layout.model, name, _ITEM_CHECKS[layout.model][name], values)


def _sources(
    layout: Layout[Any], fields: Mapping[str, Any]
) -> tuple[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]]:
    """The field objects behind the plan, the scheduler group and the blocks."""
    return (
        tuple([fields[name] for name in (*layout.plan, *layout.plan_columns)]),
        tuple([fields[name] for name in layout.scheduler]),
        tuple([fields[name] for name in layout.block_columns]),
    )


def _identical(old: tuple[object, ...], new: tuple[object, ...]) -> bool:
    return len(old) == len(new) and all(map(is_, old, new))


def _row(layout: Layout[Any], name: str, column: Column, mapping: Mapping[str, Any], ids: tuple[str, ...]) -> Row:
    keys = tuple(mapping)
    if keys != ids:
        require(layout.model, name, KEYS, keys)
    try:
        return Row(None if keys == ids else keys, column.write(mapping.values()))
    except (KeyError, TypeError):
        _check_items(layout, name, mapping.values())
        raise


def _plan_value(layout: Layout[Any], fields: Mapping[str, Any], ids: tuple[str, ...]) -> tuple[object, ...]:
    scalars = tuple(fields[name] for name in layout.plan)
    for name, column in layout.plan_columns.items():
        if column is VALUES:
            _check_items(layout, name, fields[name].values())
    return scalars, tuple(_row(layout, name, column, fields[name], ids) for name, column in layout.plan_columns.items())


def _rows(layout: Layout[Any], columns: tuple[Any, ...], ids: tuple[str, ...], before: Snapshot) -> tuple[Row, ...]:
    """The columns as rows; a column that is the same object as before keeps its row."""
    made = zip_longest(layout.block_columns.items(), columns, before.columns, before.rows)
    return tuple(
        old if mapping is same else _row(layout, name, column, mapping, ids)
        for (name, column), mapping, same, old in made
    )


def _blocks(layout: Layout[Any], rows: tuple[Row, ...], length: int, before: Snapshot) -> dict[bytes, Group]:
    """The rows cut into blocks, of which those keep their group that hold the same as before.

    A map with keys of its own keeps all rows together in one block. Only blocks that are made anew are checked: a row
    of 500 steps usually differs in one of its sixteen.
    """
    if _identical(rows, before.rows):
        return {name: group for name, group in before.groups.items() if name not in (_PLAN, _SCHEDULER)}
    if any(row.keys is not None for row in rows):
        _check_rows(layout, [row.values for row in rows])
        return {b"0": _group(rows)}
    comparable = all(row.keys is None for row in before.rows)
    blocks: dict[bytes, Group] = {}
    for number, start in enumerate(range(0, length, BLOCK)):
        name, part = b"%d" % number, slice(start, start + BLOCK)
        known = before.groups.get(name) if comparable else None
        unchanged = known is not None and all(
            new is old or new.values[part] == old.values[part] for new, old in zip(rows, before.rows, strict=True)
        )
        if known and unchanged:
            blocks[name] = known
        else:
            values = [row.values[part] for row in rows]
            _check_rows(layout, values)
            blocks[name] = _group(tuple((None, some) for some in values))
    return blocks


def _check_rows(layout: Layout[Any], rows: Iterable[Sequence[Any]]) -> None:
    """Raises InternalError for values that are not what their column says; coded columns hold nothing else."""
    for (name, column), values in zip(layout.block_columns.items(), rows, strict=True):
        if column is VALUES:
            _check_items(layout, name, values)


def decode(model: type[S], groups: Mapping[bytes, bytes], digest: bytes) -> S:
    """The state whose groups these are.

    Raises SerializationError if they do not match the digest, or are not what this layout writes: what a digest
    vouches for is not validated a second time.
    """
    layout = LAYOUTS[model]
    found = {name: Group(data, blake2b(data, digest_size=DIGEST_SIZE).digest()) for name, data in groups.items()}
    blocks = sorted((name for name in found if name not in (_PLAN, _SCHEDULER)), key=_by_number)
    ordered = {name: found[name] for name in (_PLAN, *blocks, _SCHEDULER) if name in found}
    if _digest_of_digests(ordered) != digest:
        raise SerializationError(f"{model.__name__}: the stored groups do not match their digest")
    try:
        fields, rows = _fields(layout, groups, blocks)
    except UNPACK_ERRORS as error:
        raise SerializationError(f"{model.__name__}: {error}") from error
    state = model.model_construct(**fields)
    plan, scheduler, columns = _sources(layout, fields)
    vars(state)[_MEMORY] = Snapshot(ordered, digest, plan, scheduler, columns, rows)
    return state


def _by_number(block: bytes) -> tuple[int, bytes]:
    return len(block), block


def _fields(
    layout: Layout[Any], groups: Mapping[bytes, bytes], blocks: Sequence[bytes]
) -> tuple[dict[str, Any], tuple[Row, ...]]:
    scalars, plan_rows = unpack(groups[_PLAN])
    fields: dict[str, Any] = dict(zip(layout.plan, scalars, strict=True))
    fields.update(zip(layout.scheduler, unpack(groups[_SCHEDULER]), strict=True))
    for name, kind in layout.enums.items():
        fields[name] = kind(fields[name])
    for name in layout.maps:
        fields[name] = _sorted_dict(fields[name].items())
    ids: tuple[str, ...] = fields[layout.ids] if layout.ids else ()
    rows = tuple(map(_joined, zip(*(unpack(groups[name]) for name in blocks), strict=True)))
    if not blocks:
        rows = tuple(Row(None, column.write(())) for column in layout.block_columns.values())
    columns = (*layout.plan_columns.items(), *layout.block_columns.items())
    for (name, column), (keys, values) in zip(columns, (*plan_rows, *rows), strict=True):
        fields[name] = _sorted_dict(zip(ids if keys is None else keys, column.read(values), strict=True))
    return fields, rows


def _sorted_dict(items: Iterable[tuple[str, object]]) -> SortedDict[Any]:
    return presorted(items)


def _joined(parts: tuple[tuple[tuple[str, ...] | None, Any], ...]) -> Row:
    """One row of a column from its slices in every block."""
    values = [part[1] for part in parts]
    if len(values) == 1:
        return Row(parts[0][0], values[0])
    whole = b"".join(values) if isinstance(values[0], bytes) else tuple(chain.from_iterable(values))
    return Row(parts[0][0], whole)
