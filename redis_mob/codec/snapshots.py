"""Snapshots as field groups with digests: what a compare-and-swap sends and compares (decision 0002).

A kernel state becomes a few named groups of bytes, each with a BLAKE2b-128 digest; the digest of the state is the
digest of its groups' digests. Equal states have equal groups, however they were built. Columns that change step by
step lie in blocks, so that one transition of a large run rewrites one block.

An instance remembers its groups together with the field objects they were made from. `model_copy` hands that memory
on, so the encoding of a `next` state costs only the groups whose fields were replaced, and of a map that was changed by
`set` only the blocks in which it differs. Models and their containers are frozen, which is what makes the identity of a
field object proof enough.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import compress
from operator import eq, is_not
from typing import Any

from redis_mob.codec.field_checks import KEYS, field_checks, item_checks, require
from redis_mob.codec.field_groups import (
    BESIDE,
    BLOCK,
    MEMORY,
    PLAN,
    SCHEDULER,
    UNKNOWN,
    Digests,
    Group,
    Row,
    Snapshot,
    group_of,
)
from redis_mob.codec.layouts import LAYOUTS, VALUES, Column, Layout
from redis_mob.codec.unknown_fields import group_of_fields
from redis_mob.errors import InternalError
from redis_mob.models.base import Model
from redis_mob.models.flow import FlowFrameState, FlowRunState, LoopIterationState

_NOTHING = object()
_NEVER_ENCODED = {
    model: Snapshot({}, b"", (_NOTHING,) * len(layout.names), (), Digests(b"", {})) for model, layout in LAYOUTS.items()
}
"""The memory of a state that was never encoded: nothing is identical to it."""


_FIELD_CHECKS = {model: field_checks(model) for model in LAYOUTS}
_ITEM_CHECKS = {model: item_checks(model) for model in LAYOUTS}


def encode(state: FlowRunState | FlowFrameState | LoopIterationState) -> Snapshot:
    """The groups and digest of a state. Equal states give equal snapshots; a repeated call costs next to nothing.

    Raises InternalError, naming the field, for a state that does not hold what its fields say: it could not be read
    back.
    """
    fields = vars(state)
    layout = LAYOUTS.get(type(state)) or _layout_of(state)
    before: Snapshot = fields.get(MEMORY) or _NEVER_ENCODED[layout.model]
    try:
        values = layout.values(fields)
    except KeyError as error:
        raise InternalError(f"{layout.model.__name__} cannot be stored: it has no {error.args[0]}") from None
    changed = list(compress(layout.names, map(is_not, before.values, values)))
    # made anew each time where there are some: what lies in them may be changed
    unknown = group_of_fields(layout.model, extra) if (extra := state.__pydantic_extra__) else None
    if not changed and unknown == before.unknown:
        return before

    _check_changes(layout, changed, fields)
    ids: tuple[str, ...] = fields[layout.ids] if layout.ids else ()
    in_blocks = [name for name in changed if name in layout.in_blocks]
    others: dict[bytes, Group] = {}
    rows = before.rows
    # Mostly a few values of a column have changed, or the scheduler has: the groups keep their names then.
    if layout.in_plan.isdisjoint(changed) and (unknown is None) is (before.unknown is None):
        made = _change_blocks(layout, in_blocks, fields, ids, before, others) if in_blocks else rows
    else:
        made = None
    if made is None:
        snapshot = _whole_snapshot(layout, fields, ids, values, unknown)
    else:
        if len(in_blocks) < len(changed):
            others[SCHEDULER] = _scheduler(layout, fields)
        if unknown is not None:
            others[UNKNOWN] = unknown
        others = {name: group for name, group in others.items() if before.groups[name].data != group.data}
        digests = before.digests.with_groups(others)
        snapshot = Snapshot(
            {**before.groups, **others},
            digests.digest,
            values,
            made,
            digests,
            before.are_blocks,
            unknown,
            before.groups,
            others,
        )
    for name in in_blocks:
        # The next encoding asks what was set since this one, and this map need not keep alive that of the one before.
        fields[name].begin_anew()
    fields[MEMORY] = snapshot
    return snapshot


def _whole_snapshot(
    layout: Layout[Any], fields: Mapping[str, Any], ids: tuple[str, ...], values: tuple[Any, ...], unknown: Group | None
) -> Snapshot:
    """The snapshot of a state of which nothing is known."""
    rows = tuple(_row(layout, name, column, fields[name], ids) for name, column in layout.block_columns.items())
    plan = group_of(_plan_value(layout, fields, ids))
    groups = {PLAN: plan, **_all_blocks(layout, rows, len(ids)), SCHEDULER: _scheduler(layout, fields)}
    if unknown is not None:
        groups[UNKNOWN] = unknown
    digests = Digests.of(groups)
    return Snapshot(groups, digests.digest, values, rows, digests, are_blocks(groups, rows, ids), unknown)


def are_blocks(groups: Collection[bytes], rows: Iterable[Row], ids: tuple[str, ...]) -> bool:
    usual = len((PLAN, SCHEDULER)) + -(-len(ids) // BLOCK) + (UNKNOWN in groups)
    return len(groups) == usual and all(row.keys is None for row in rows)


def beside(snapshot: Snapshot, holder: type[Model], unknown: Mapping[str, Any]) -> Snapshot:
    """The snapshot of a frame or loop, whose state has this one, with the unknown fields beside that state."""
    groups = {**snapshot.groups, BESIDE: group_of_fields(holder, unknown)}
    digests = Digests.of(groups)
    return replace(snapshot, groups=groups, digest=digests.digest, digests=digests, base=None, others={})


def groups_changed(before: Snapshot, after: Snapshot) -> dict[bytes, Group] | None:
    """The groups that are others than before; None if there are others by name."""
    if after.base is before.groups:
        return after.others
    if len(before.groups) != len(after.groups) or not all(map(eq, before.groups, after.groups)):
        return None
    return {name: group for name, group in after.groups.items() if before.groups[name].data != group.data}


def _layout_of(state: Model) -> Layout[Any]:
    """The layout of a state whose class was made from one of the three."""
    return next(layout for kind, layout in LAYOUTS.items() if isinstance(state, kind))


def _check_changes(layout: Layout[Any], changed: Iterable[str], fields: Mapping[str, Any]) -> None:
    """Raises InternalError for a changed field that does not hold what it says.

    What lies in the columns is checked where they are encoded.
    """
    checks = _FIELD_CHECKS[layout.model]
    for name in changed:
        value = fields[name]
        require(layout.model, name, checks[name], value)
        if name in layout.maps:
            require(layout.model, name, KEYS, tuple(value))
            _check_items(layout, name, value.values())


def _check_items(layout: Layout[Any], name: str, values: Collection[Any]) -> None:
    """Raises InternalError if values of a mapping are not what its annotation says."""
    require(layout.model, name, _ITEM_CHECKS[layout.model][name], values)


def _scheduler(layout: Layout[Any], fields: Mapping[str, Any]) -> Group:
    return group_of(layout.scheduler_values(fields))


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


def _all_blocks(layout: Layout[Any], rows: Sequence[Row], length: int) -> dict[bytes, Group]:
    """The rows cut into blocks. A map with keys of its own keeps all rows together in one block."""
    if any(row.keys is not None for row in rows):
        _check_rows(layout, [row.values for row in rows])
        return {b"0": group_of(rows)}
    return {b"%d" % number: _block(layout, rows, number) for number in range(-(-length // BLOCK))}


def _block(layout: Layout[Any], rows: Sequence[Row], number: int) -> Group:
    part = slice(number * BLOCK, (number + 1) * BLOCK)
    values = [row.values[part] for row in rows]
    if layout.block_values:
        _check_rows(layout, values)
    return group_of([(None, some) for some in values])


def _change_blocks(
    layout: Layout[Any],
    changed: Iterable[str],
    fields: Mapping[str, Any],
    ids: tuple[str, ...],
    before: Snapshot,
    others: dict[bytes, Group],
) -> tuple[Row, ...] | None:
    """Put the blocks that differ from those before among the others, and give the rows; None if all are others.

    One transition of a large run differs in a few values: a map that was made of the one before by setting these says
    which they are, and neither the other values nor the other blocks are looked at.
    """
    if not before.are_blocks:
        return None
    rows = [*before.rows]
    touched: set[int] = set()
    for name in changed:
        number, column = layout.blocks[name]
        row, mapping = rows[number].values, fields[name]
        keys: tuple[str, ...] | None = mapping.keys_set_since(before.values[layout.first_block_column + number])
        if keys is None or len(mapping) != len(ids):
            rows[number] = following = _row(layout, name, column, mapping, ids)
            if following.keys is not None:
                return None
            touched.update(_differing(row, following.values))
        else:
            places = [bisect_left(ids, key) for key in keys]
            touched.update([place // BLOCK for place in places])
            rows[number] = Row(None, _with_values(layout, name, column, mapping, row, keys, places))
    for number in touched:
        others[b"%d" % number] = _block(layout, rows, number)
    return tuple(rows)


def _differing(before: Sequence[Any], after: Sequence[Any]) -> Iterable[int]:
    """The numbers of the blocks in which a row differs."""
    for number, start in enumerate(range(0, len(after), BLOCK)):
        if before[start : start + BLOCK] != after[start : start + BLOCK]:
            yield number


def _with_values(
    layout: Layout[Any],
    name: str,
    column: Column,
    mapping: Mapping[str, Any],
    row: Sequence[Any],
    keys: Iterable[str],
    places: Iterable[int],
) -> Sequence[Any]:
    """A row with the values of these keys in their places."""
    values = [mapping[key] for key in keys]
    try:
        written = column.write(values)
    except (KeyError, TypeError):
        _check_items(layout, name, values)
        raise
    changed: bytearray | list[Any] = bytearray(row) if isinstance(row, bytes) else list(row)
    for place, value in zip(places, written, strict=True):
        changed[place] = value
    return bytes(changed) if isinstance(changed, bytearray) else tuple(changed)


def _check_rows(layout: Layout[Any], rows: Sequence[Sequence[Any]]) -> None:
    """Raises InternalError for values that are not what their column says; coded columns hold nothing else."""
    for name, number in layout.block_values.items():
        _check_items(layout, name, rows[number])
