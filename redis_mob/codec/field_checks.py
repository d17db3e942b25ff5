"""Whether the fields of a model hold what their annotations say.

Those of a model that was validated do. One that was made with `model_construct` or `model_copy` may hold anything, and
what is stored of it might not be read back. To validate a kernel state or a row again costs more than to encode it. So
there are checks of fields and of the items in them, made from the annotations once, which look at the types of many
items in one go.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import chain, pairwise
from operator import lt
from types import NoneType
from typing import Any, TypeVar, cast, get_args, get_origin

from annotated_types import Le
from pydantic import AfterValidator, AwareDatetime
from pydantic.fields import FieldInfo

from redis_mob.errors import InternalError, shown
from redis_mob.models.base import Model, SortedDict, sorted_unique

M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class Check:
    """What a value must be, in words, and whether it is."""

    wanted: str
    holds: Callable[[Any], bool]


def field_checks(model: type[Model], *leave_out: str) -> Mapping[str, Check]:
    """The checks of the fields of a model, but for some; of a mapping only that it is one, not what is in it.

    Of a JSON value nothing is checked: `codec.ledgers.encode_value` does that on the way.
    """
    return {name: _field_check(field) for name, field in model.model_fields.items() if name not in leave_out}


def item_checks(model: type[Model]) -> Mapping[str, Check]:
    """The check of the values, taken together, of each field that is a mapping."""
    return {
        name: _items_check(get_args(field.annotation)[0])
        for name, field in model.model_fields.items()
        if get_origin(field.annotation) is SortedDict
    }


KEYS = Check("texts", lambda keys: _are(keys, str))
"""The check of the keys of a mapping."""


def require_fields(model: M, checks: Mapping[str, Check]) -> M:
    """The same model. Raises InternalError for the first field that is missing, or not what its annotation says."""
    fields = vars(model)
    for name, check in checks.items():
        if name not in fields:
            raise InternalError(f"{type(model).__name__} cannot be stored: it has no {name}")
        require(type(model), name, check, fields[name])
    return model


def require(model: type[Model], name: str, check: Check, value: object) -> None:
    """Raises InternalError, naming the field and its value, if it is not what the annotation says."""
    try:
        fits = check.holds(value)
    except TypeError:  # an item that cannot be hashed or compared is none of those that fit
        fits = False
    if not fits:
        raise InternalError(f"{model.__name__} cannot be stored: {name} must be {check.wanted}, not {shown(value)}")


def _field_check(field: FieldInfo) -> Check:
    annotation = cast("Any", field.annotation)
    if get_origin(annotation) is SortedDict:
        return Check("a SortedDict", lambda value: isinstance(value, SortedDict))
    if get_origin(annotation) is tuple:
        if any(isinstance(item, AfterValidator) and item.func is sorted_unique for item in field.metadata):
            return Check("a sorted tuple of texts", lambda value: _is_texts(value) and _ascends(value))
        return Check("a tuple of texts", _is_texts)
    bound = _greatest(field.metadata)
    check = _items_check(annotation, bound)
    # the two kinds that change most are looked at directly
    if annotation is int and bound is not None:
        return Check(check.wanted, lambda value: type(value) is int and 0 <= value <= bound)
    if annotation is str:
        return Check(check.wanted, lambda value: isinstance(value, str))
    return Check(check.wanted, lambda value: check.holds((value,)))


def _items_check(annotation: Any, bound: int | None = None) -> Check:
    """The check of all items of a container at once."""
    if hasattr(annotation, "__metadata__"):
        bound = _greatest(_metadata(annotation))
        annotation = annotation.__origin__
    if get_origin(annotation) is tuple:
        return Check("tuples of texts", _are_tuples_of_texts)
    kinds: list[Any] = [getattr(kind, "__origin__", kind) for kind in get_args(annotation) or (annotation,)]
    optional = NoneType in kinds
    [kind] = [kind for kind in kinds if kind is not NoneType]
    words = " or None" if optional else ""
    none = {NoneType} if optional else set[type]()
    if kind is Any:
        return Check("a JSON value", lambda _: True)
    if kind is AwareDatetime:
        return Check(
            f"a time with a zone, in the years 1 to 9999{words}",
            lambda items: all((optional and item is None) or _is_moment(item) for item in items),
        )
    if issubclass(kind, StrEnum):
        allowed: set[Any] = {*kind, None} if optional else {*kind}
        return Check(f"{kind.__name__}{words}", lambda items: {*items} <= allowed)
    if kind is int and bound is not None:
        return Check(f"an integer from 0 to {bound}", lambda items: _are_integers(items, bound))
    if kind is bool:
        return Check(f"True or False{words}", lambda items: {*map(type, items)} <= {bool, *none})
    if kind is str:
        return Check(f"a text{words}", lambda items: _are(items, str, *none))
    raise TypeError(f"there is no check for {annotation}")


def _are_tuples_of_texts(items: Collection[Any]) -> bool:
    return {*map(type, items)} <= {tuple} and _are(chain.from_iterable(items), str)


def _are_integers(items: Collection[Any], most: int) -> bool:
    return {*map(type, items)} <= {int} and (not items or (min(items) >= 0 and max(items) <= most))


def _greatest(metadata: Iterable[Any]) -> int | None:
    """The greatest integer that the constraints allow."""
    return next((cast("int", item.le) for item in metadata if isinstance(item, Le)), None)


def _metadata(annotation: Any) -> Iterable[Any]:
    """What an annotation carries beside its type; the constraints of a Field stand one level deeper."""
    for item in annotation.__metadata__:
        yield from item.metadata if isinstance(item, FieldInfo) else (item,)


def _are(items: Iterable[Any], *kinds: type) -> bool:
    return all(issubclass(kind, kinds) for kind in {*map(type, items)})


def _is_moment(value: Any) -> bool:
    if not isinstance(value, datetime) or value.utcoffset() is None:
        return False
    try:
        value.astimezone(UTC)
    except OverflowError:
        return False
    return True


def _is_texts(value: Any) -> bool:
    return type(value) is tuple and _are(cast("tuple[Any, ...]", value), str)


def _ascends(texts: tuple[str, ...]) -> bool:
    return all(lt(one, other) for one, other in pairwise(texts))
