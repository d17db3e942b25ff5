"""What every persisted model shares: strictness, frozen containers, and the scalar types of the wire.

The models are the wire format (decision 0009). Their modules do without `from __future__ import annotations`: pydantic
would compile each annotation once more, which takes a fifth of the time in which all are imported.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from itertools import count
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, Self, TypeGuard, TypeVar, cast, get_args
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Strict,
    ValidationError,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from redis_mob.errors import shown
from redis_mob.models.duplicates import repeated_field
from redis_mob.models.json_check import refuse_what_is_no_json
from redis_mob.models.making import defaults_of, made
from redis_mob.models.timestamp import Timestamp as Timestamp
from redis_mob.models.timestamp import format_timestamp as format_timestamp

SCHEMA_VERSION = 6
"""The version that runs and stored events carry (contract: json-10, json-14)."""

MAX_JSON_DEPTH = 500
"""Documents nested deeper than this are refused (contract: config-3)."""

MAX_VALUE_DEPTH = 128
"""JSON values in models are nested at most this deep: what can be built can also be written, and read back."""

_GIVEN_TWICE = "The field is given twice; give it once"

_HYPHENATED = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_CANONICAL_UUID = re.compile(_HYPHENATED)
_OTHER_UUID = re.compile(rf"{_HYPHENATED}|\{{{_HYPHENATED}\}}|urn:uuid:{_HYPHENATED}|[0-9a-f]{{32}}", re.IGNORECASE)

U8_MAX = 2**8 - 1
U32_MAX = 2**32 - 1
U64_MAX = 2**64 - 1

MOST_COUNTED = 10**15 - 1
"""The greatest number that scripts count with: numbers of Lua are exact up to 15 digits."""

U8 = Annotated[int, Field(ge=0, le=U8_MAX)]
U32 = Annotated[int, Field(ge=0, le=U32_MAX)]
U64 = Annotated[int, Field(ge=0, le=U64_MAX)]
I32 = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]

MOST_KEYS_REMEMBERED = 64
"""A mapping knows so many keys in which it differs from the one that it was made of."""

_SETS = count()
"""Numbers the mappings that are made by `set`."""

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")


def check_json(value: Any, deepest: int = MAX_JSON_DEPTH) -> Any:
    """The same value, if it is JSON: finite numbers, text keys, no lone surrogates, at most `deepest` levels deep.

    Raises ValueError naming the offending path (`$` is the document).
    """
    refuse_what_is_no_json(value, "$", 0, deepest)
    return value


def check_value(value: Any) -> Any:
    """The same value, if a field of a model may hold it: as `check_json`, but at most 128 levels deep."""
    refuse_what_is_no_json(value, "$", 0, MAX_VALUE_DEPTH)
    return value


JsonValue = Annotated[Any, AfterValidator(check_value), WithJsonSchema({})]
"""Any JSON value as plain Python: None, bool, int, float, str, list, dict with text keys; at most 128 levels deep."""


class Model(BaseModel):
    """A frozen value that reads and writes the contract's JSON.

    Strict about types (`1.0` and `true` are no integers); a known field given twice is refused. Fields that a document
    has and the class does not are kept in `model_extra`, and are written behind the others; a constructor refuses them
    (contract: json-1, json-2, json-3; decision 0056). `model_validate_json` reads; `model_dump_json` writes.
    """

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="allow",
        serialize_by_alias=True,
        defer_build=True,  # a program needs few of the models, and all would take a quarter second when it begins
        ser_json_inf_nan="constants",  # so that reading back what is no JSON number refuses it; null would pass
    )

    if not TYPE_CHECKING:  # a type checker would take it for a parameter of the constructor
        __pydantic_extra__: dict[str, JsonValue]

    def __init__(self, /, **data: Any) -> None:
        # as pydantic's own, which this is called in place of; documents are read by the names of the wire alone
        self.__pydantic_validator__.validate_python(data, self_instance=self, by_name=True)
        if self.__pydantic_extra__:
            raise _unknown_names(type(self), self.__pydantic_extra__)

    # Not a constructor of its own to pydantic, which would else call it for documents, whose unknown fields are kept.
    __init__.__pydantic_base_init__ = True  # pyright: ignore[reportFunctionMemberAccess]

    @classmethod
    def unchecked(cls, **values: Any) -> Self:
        """The model of values that are known to be what its fields say; the other fields have their defaults.

        Nothing is validated: for code that makes the values itself, and many of them. As pydantic's `model_construct`,
        in a tenth of its time.
        """
        fields, names = defaults_of(cls)
        return made(cls, {**fields, **values}, names)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with other values in some fields, which are not validated; as pydantic's, in a quarter of its time.

        An unknown field is changed, or added, as well.
        """
        extra = self.__pydantic_extra__
        if deep or extra:
            return super().model_copy(update=update, deep=deep)
        changes, names = update or {}, self.__pydantic_fields_set__
        if not changes.keys() <= names:
            if not changes.keys() <= type(self).model_fields.keys():
                return super().model_copy(update=update)
            names = {*names, *changes}
        return made(type(self), {**vars(self), **changes}, names)

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **options: Any) -> Self:
        """The value that a JSON text holds; options as pydantic's. Raises pydantic's ValidationError."""
        value = super().model_validate_json(json_data, **options)
        if (path := repeated_field(json_data, value)) is None:
            return value
        problem = InitErrorDetails(type=PydanticCustomError("repeated_field", _GIVEN_TWICE), loc=path, input=None)
        raise ValidationError.from_exception_data(cls.__name__, [problem], input_type="json", hide_input=True)


def _unknown_names(kind: type[Model], unknown: Mapping[str, Any]) -> ValidationError:
    """What a constructor raises for names that no field has: in Python they are typing errors."""
    problems = [InitErrorDetails(type="extra_forbidden", loc=(name,), input=value) for name, value in unknown.items()]
    hidden = bool(kind.model_config.get("hide_input_in_errors"))
    return ValidationError.from_exception_data(kind.__name__, problems, hide_input=hidden)


class WireEnum(StrEnum):
    """An enumeration that is a plain string on the wire; members and their texts are accepted alike."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        # a text first, because an enumeration repeats what it refuses, and a list nested deeply has no repr
        return core_schema.chain_schema([core_schema.str_schema(strict=True), _members(cls)])

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(_members(cls))  # of the chain, pydantic would describe the text alone


def _members(kind: type[WireEnum]) -> CoreSchema:
    return core_schema.enum_schema(kind, list(kind), sub_type="str", strict=False)


# Fills a frozen mapping that was just made and that no other code has a reference to.
_put = dict[Any, Any].update


class FrozenDict(dict[K, V]):
    """A dict that cannot change: models share their containers and cache digests over them."""

    __slots__ = ("_origin",)
    _origin: tuple[Self, tuple[tuple[int, K], ...]] | None
    """The mapping that this one was made of by `set`, and the keys that were set since, if these are few: each behind
    the number of its `set`, which no other has. So of two that were made of one mapping it can be told whether one came
    from the other."""

    def _refuse(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise TypeError("this mapping belongs to a frozen model; build a new one with .set(...) or {**old, ...}")

    __setitem__ = __delitem__ = __ior__ = _refuse  # pyright: ignore[reportAssignmentType]
    clear = pop = popitem = setdefault = update = _refuse  # pyright: ignore[reportAssignmentType]

    def __hash__(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return hash(frozenset(self.items()))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (dict(self),))

    def set(self, *items: tuple[K, V]) -> Self:
        """A copy with these items replaced or added; a new key of a sorted mapping is sorted in."""
        changed = type(self).__new__(type(self))  # not by __init__, which would look at the order of nothing
        _put(changed, self)
        _put(changed, items)
        # Only a new key can be out of order, and only then are the keys looked at.
        if len(changed) != len(self):
            changed = type(self)(changed)
        base, keys = getattr(self, "_origin", None) or (self, ())
        if items and len(keys) + len(items) <= MOST_KEYS_REMEMBERED:
            number = next(_SETS)
            changed._origin = base, (*keys, *[(number, key) for key, _ in items])
        return changed

    def keys_set_since(self, base: object) -> tuple[K, ...] | None:
        """The keys that were set since this was that mapping, in turn, new ones too; None if that is not known."""
        origin = getattr(self, "_origin", None)
        if origin is None:
            return None
        made_of, keys = origin
        if made_of is base:
            return tuple([key for _, key in keys])
        of_base = getattr(base, "_origin", None)
        if of_base is None or of_base[0] is not made_of:
            return None
        earlier = len(of_base[1])  # at least one: what is made by `set` with no items is no origin of anything
        return tuple([key for _, key in keys[earlier:]]) if keys[earlier - 1 : earlier] == of_base[1][-1:] else None

    def begin_anew(self) -> None:
        """Let what is made of this by `set` be compared with this, and no longer with what this was made of."""
        self._origin = None

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        *key, value = get_args(source) or (Any, Any)
        return core_schema.no_info_after_validator_function(
            cls, core_schema.dict_schema(handler.generate_schema(*key or [str]), handler.generate_schema(value))
        )


class SortedDict(FrozenDict[str, V]):
    """A frozen mapping kept in the byte order of its text keys, as the contract writes ordered maps."""

    __slots__ = ()

    def __init__(self, items: Mapping[str, V] | Iterable[tuple[str, V]] = ()) -> None:
        plain = dict(items)
        keys = list(plain)
        ordered = sorted(keys)
        super().__init__(plain if ordered == keys else {key: plain[key] for key in ordered})


def presorted(items: Mapping[str, V] | Iterable[tuple[str, V]]) -> SortedDict[V]:
    """A sorted mapping of items that are known to be sorted, without checking it again."""
    made = cast("SortedDict[V]", SortedDict.__new__(SortedDict))
    _put(made, items)
    return made


def changed_keys(before: Mapping[K, V], after: FrozenDict[K, V]) -> list[K]:
    """The keys of a mapping whose values are not the same objects as in the one before; new ones too."""
    if before is after:
        return []
    known = after.keys_set_since(before)
    return [key for key in (after if known is None else dict.fromkeys(known)) if before.get(key) is not after[key]]


def sorted_unique(items: tuple[Any, ...]) -> tuple[Any, ...]:
    """The items of a set in their order, each once."""
    return tuple(sorted(set(items)))


Items = Annotated[tuple[T, ...], Strict(False)]
"""An ordered, immutable sequence; any iterable is accepted when a model is built in Python."""

SortedSet = Annotated[tuple[T, ...], Strict(False), AfterValidator(sorted_unique)]
"""A set of texts, held as a sorted tuple without repetitions so that equal sets have equal bytes."""


def canonical_run_id(value: object) -> str:
    """The lower-case hyphenated text of a UUID given in any common spelling.

    Raises ValueError naming the value (contract: json-4).
    """
    if isinstance(value, str):
        if _CANONICAL_UUID.fullmatch(value):
            return value
        if _OTHER_UUID.fullmatch(value):
            return str(UUID(value))
    elif isinstance(value, UUID):
        return str(value)
    raise ValueError(f"a UUID is needed, not {shown(value)}")


def read_uuid(value: object) -> str:
    """As `canonical_run_id`, for validators of fields: what is told of a document does not show what is in it."""
    try:
        return canonical_run_id(value)
    except ValueError:
        pass
    raise ValueError("a UUID is needed")


def is_canonical_uuid(value: object) -> TypeGuard[str]:
    """Whether this is the text of a UUID as it is written here."""
    return isinstance(value, str) and _CANONICAL_UUID.fullmatch(value) is not None


def is_none(value: object) -> bool:
    """For `Field(exclude_if=is_none)`: fields that the contract leaves out when there is nothing to say."""
    return value is None


def is_empty(value: object) -> bool:
    """The same for what is false, zero, or has no items; None is written, and refused when it is read."""
    return value is not None and not value


RunId = Annotated[str, BeforeValidator(read_uuid)]
"""Text of a UUID; read in any spelling, written lower-case and hyphenated."""

Uuid = RunId


def json_equal(a: Any, b: Any) -> bool:
    """Deep equality of JSON values: 1 is neither 1.0 nor true, the order of keys does not matter (contract: store-6).

    0.0 equals -0.0, but the integer 0 does not (contract: store-6).
    """
    match a, b:
        case dict(), dict():
            left, right = cast("dict[str, Any]", a), cast("dict[str, Any]", b)
            return left.keys() == right.keys() and all(json_equal(value, right[key]) for key, value in left.items())
        case list() | tuple(), list() | tuple():
            first, second = cast("Sequence[Any]", a), cast("Sequence[Any]", b)
            return len(first) == len(second) and all(map(json_equal, first, second))
        case _:
            return type(a) is type(b) and a == b


def same_model(one: Model | None, other: Model | None) -> bool:
    """Whether two models are equal in every field, also in unknown ones, as JSON (contract: store-6); or both None."""
    if one is None or other is None:
        return one is other
    return one == other and json_equal(one.model_dump(mode="json"), other.model_dump(mode="json"))


def json_text(value: object, *, sort_keys: bool = False) -> str:
    """Compact JSON text of a value; keys keep their order unless they are to be sorted."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, sort_keys=sort_keys)
