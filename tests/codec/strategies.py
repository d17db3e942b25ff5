"""Hypothesis strategies for kernel states, irregular ones included: the store takes what it gets."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from hypothesis import strategies as st

from redis_mob.models.base import Model, SortedDict
from redis_mob.models.flow import FlowFrameState, FlowRunState, LoopIterationState

State = FlowRunState | FlowFrameState | LoopIterationState

STATES: tuple[type[State], ...] = (FlowRunState, FlowFrameState, LoopIterationState)

IDS: Mapping[type[Model], str] = {FlowRunState: "tracked_steps", FlowFrameState: "tracked_nodes"}
"""The field that names what the maps of a state are usually keyed by."""

NAMES = st.sampled_from(["", "a", "a\x00", "b", "é", "€", "😀", "z"])


def states(model: type[State]) -> st.SearchStrategy[State]:
    """Any state of this kind: its maps are keyed by the tracked ids, or by anything else."""
    return st.lists(NAMES, unique=True, max_size=6).flatmap(lambda ids: _states(model, ids))


def _states(model: type[State], ids: list[str]) -> st.SearchStrategy[State]:
    fields = {name: field_values(model, name, ids) for name in model.model_fields}
    if model in IDS:
        fields[IDS[model]] = st.just(tuple(ids))
    return st.fixed_dictionaries(fields).map(model.model_validate)


def field_values(model: type[State], field: str, ids: list[str]) -> st.SearchStrategy[Any]:
    """Valid values of one field."""
    info = model.model_fields[field]
    return _values(info.annotation, tuple(info.metadata), ids)


def _values(annotation: Any, metadata: tuple[Any, ...], ids: list[str]) -> st.SearchStrategy[Any]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _values(arguments[0], arguments[1:], ids)
    if origin in (Union, UnionType):
        return st.one_of(*(_values(member, (), ids) for member in arguments))
    if origin is SortedDict:
        return _mappings(_values(arguments[0], (), ids), ids)
    if origin is tuple:
        return st.lists(_values(arguments[0], (), ids), max_size=4)
    if annotation is NoneType:
        return st.none()
    if annotation is bool:
        return st.booleans()
    if annotation is int:
        return st.integers(0, _greatest(metadata))
    if annotation is str:
        return NAMES
    assert issubclass(annotation, Enum), annotation
    return st.sampled_from(list(annotation))


def _mappings(values: st.SearchStrategy[Any], ids: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    regular = st.lists(values, min_size=len(ids), max_size=len(ids)).map(lambda row: dict(zip(ids, row, strict=True)))
    return st.one_of(regular, regular, regular, st.dictionaries(NAMES, values, max_size=4))


def _greatest(metadata: tuple[Any, ...]) -> int:
    """The bound of an integer, which stands in its metadata as it is, or inside a Field."""
    bounds = [*metadata, *(inner for item in metadata for inner in getattr(item, "metadata", ()))]
    return next(bound.le for bound in bounds if getattr(bound, "le", None) is not None)
