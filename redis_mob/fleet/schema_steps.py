"""How JSON schemas are applied: in a bounded number of steps, with patterns that are searched for in linear time
(contract: definition-26).

An author of a definition, or a handler by its output, could else hold a worker for hours: by a pattern that backtracks,
by references that double at each level, or by errors that each quote a large value. A limit of time would make one
value fit on a fast machine and not on a slow one, so steps are counted (decision 0071).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, cast

from jsonschema import FormatChecker, validators
from jsonschema.exceptions import SchemaError as NoSchemaError
from jsonschema.exceptions import ValidationError as SchemaProblem
from jsonschema.validators import validator_for
from pydantic_core import SchemaError, SchemaValidator, core_schema
from referencing.jsonschema import EMPTY_REGISTRY

from redis_mob.errors import shown

MOST_STEPS = 100_000_000
"""Steps that one value may take. One is some 50 ns at the most, and most are much less."""

_OF_KEYWORD = 100
"""What it takes to apply a keyword, in steps."""

_OF_APPLICATOR = 1000
"""The same for keywords that apply other schemas to the same value: each of them makes a validator."""

_APPLICATORS = frozenset(
    {
        *("$ref", "$dynamicRef", "$recursiveRef", "allOf", "anyOf", "oneOf", "not", "if", "contains", "propertyNames"),
        *("dependentSchemas", "dependencies", "unevaluatedItems", "unevaluatedProperties", "extends", "disallow"),
    }
)

_LISTS = frozenset(("allOf", "anyOf", "oneOf"))

_Keyword = Callable[[Any, Any, Any, Any], Any]

_left: ContextVar[list[int]] = ContextVar("steps that are left for the value that is looked at")

_root: ContextVar[Any] = ContextVar("the schema that is applied")

_MIXED = "unevaluatedProperties cannot be used with patternProperties: name the properties, or use additionalProperties"


class TooManyStepsError(ValueError):
    """A value takes more steps than it may, or a schema to be checked."""


class PatternError(ValueError):
    """A pattern that cannot be searched for in linear time, or is none."""


def check(validator_class: Any, schema: Any) -> None:
    """Raises SchemaError of jsonschema for what is no schema, PatternError for one that is not applied here, or
    TooManyStepsError."""
    meta = validator_class.META_SCHEMA
    of_schemas = _bounded(validator_for(meta, default=validator_class))(meta, format_checker=_PATTERNS)
    with _counted_steps(meta):
        problem = next(of_schemas.iter_errors(schema), None)
    if problem is not None and isinstance(problem.cause, PatternError):
        raise PatternError(f"{problem.json_path}: {problem.cause}")
    if problem is not None:
        raise NoSchemaError.create_from(problem)
    if _mixes(schema):
        raise PatternError(_MIXED)


def first_problem(validator_class: Any, schema: Any, value: Any) -> SchemaProblem | None:
    """What is wrong with a value at the first of its places, None if it fits.

    Raises PatternError, TooManyStepsError, and what the library raises for a schema that it cannot apply.
    """
    # Without this registry the library would fetch remote references, that is, let a definition open connections from a
    # worker while it settles a result.
    validator = _bounded(validator_class)(schema, registry=EMPTY_REGISTRY)
    with _counted_steps(schema):
        return min(validator.iter_errors(value), key=lambda error: error.json_path, default=None)


@contextmanager
def _counted_steps(schema: Any) -> Generator[None]:
    steps, root = _left.set([MOST_STEPS]), _root.set(schema)
    try:
        yield
    finally:
        _left.reset(steps)
        _root.reset(root)


def _take(steps: int) -> None:
    left = _left.get()
    left[0] -= steps
    if left[0] < 0:
        raise TooManyStepsError(
            f"it takes more than {MOST_STEPS:,} steps: simplify references, combinations and patterns"
        )


@lru_cache(maxsize=16)
def _bounded(validator_class: Any) -> Any:
    """The same class of validators with keywords whose steps are counted."""
    keywords: dict[str, _Keyword] = {**validator_class.VALIDATORS}
    own: dict[str, Callable[[_Keyword], _Keyword]] = {
        "pattern": lambda _: _pattern,
        "patternProperties": lambda _: _pattern_properties,
        "additionalProperties": _additional_properties,
        "uniqueItems": lambda _: _unique_items,
        "unevaluatedProperties": _unevaluated_properties,
    }
    for name in keywords.keys() & own.keys():
        keywords[name] = own[name](keywords[name])
    counted = {name: _counted(name, keyword) for name, keyword in keywords.items()}
    made = cast("Any", validators).extend(validator_class, validators=counted)
    evolve: Callable[..., Any] = made.evolve

    def evolve_within(validator: Any, **changes: Any) -> Any:
        # a part that names a dialect would get validators of the library, whose steps are not counted
        schema = changes.get("schema")
        if isinstance(schema, dict) and "$schema" in schema:
            parts = cast("dict[str, Any]", schema)
            changes["schema"] = {name: part for name, part in parts.items() if name != "$schema"}
        return evolve(validator, **changes)

    made.evolve = evolve_within
    return made


def _counted(name: str, keyword: _Keyword) -> _Keyword:
    steps = _OF_APPLICATOR if name in _APPLICATORS else _OF_KEYWORD

    def apply(validator: Any, said: Any, value: Any, schema: Any) -> Iterator[Any]:
        _take(steps)
        if name in _LISTS and isinstance(said, list):
            # what false refuses is quoted by the library without a keyword, whose steps could be counted
            parts = cast("list[Any]", said)
            said = [{"not": {}} if part is False else part for part in parts]
        for problem in keyword(validator, said, value, schema) or ():
            _take(len(problem.message))  # which quotes the value, and is kept with all others of an anyOf
            yield problem

    return apply


def _pattern(validator: Any, pattern: Any, value: Any, schema: Any) -> Iterator[SchemaProblem]:
    if validator.is_type(value, "string") and not _is_found(pattern, value):
        yield SchemaProblem(f"{value!r} does not match {pattern!r}")


def _pattern_properties(validator: Any, patterns: Any, value: Any, schema: Any) -> Iterator[Any]:
    if not validator.is_type(value, "object"):
        return
    for pattern, below in patterns.items():
        for key, part in value.items():
            if _is_found(pattern, key):
                yield from validator.descend(part, below, path=key, schema_path=pattern)


def _additional_properties(keyword: _Keyword) -> _Keyword:
    def apply(validator: Any, said: Any, value: Any, schema: Any) -> Any:
        patterns = cast("Mapping[str, Any]", schema.get("patternProperties") or {})
        if not patterns or not validator.is_type(value, "object"):
            return keyword(validator, said, value, schema)
        # the library would search by itself for the patterns that stand beside it, so that it gets names in their place
        named = {key: True for key in value if any(_is_found(pattern, key) for pattern in patterns)}
        rest = {name: part for name, part in schema.items() if name != "patternProperties"}
        return keyword(validator, said, value, {**rest, "properties": {**schema.get("properties", {}), **named}})

    return apply


def _unevaluated_properties(keyword: _Keyword) -> _Keyword:
    def apply(validator: Any, said: Any, value: Any, schema: Any) -> Any:
        # the library would search for the patterns of every schema that has looked at the value
        if _mixes(_root.get()):
            raise PatternError(_MIXED)
        return keyword(validator, said, value, schema)

    return apply


def _unique_items(validator: Any, said: Any, value: Any, schema: Any) -> Iterator[SchemaProblem]:
    # the library compares each item with each other one, where they cannot be put in an order
    if said and validator.is_type(value, "array"):
        items = cast("list[Any]", value)
        if len({_hashable(item) for item in items}) < len(items):
            yield SchemaProblem(f"{value!r} has non-unique elements")


def _hashable(value: Any) -> Any:
    """What is equal for values that are equal as JSON: 1 and 1.0 are, true and 1 are not."""
    _take(1)
    if isinstance(value, dict):
        return frozenset((key, _hashable(item)) for key, item in cast("dict[str, Any]", value).items())
    if isinstance(value, list | tuple):
        return tuple(_hashable(item) for item in cast("list[Any]", value))
    return (bool, value) if isinstance(value, bool) else value


def _is_found(pattern: str, text: str) -> bool:
    _take(_size(pattern) * len(text))
    return _compiled(pattern).isinstance_python(text)


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> SchemaValidator:
    """A validator of texts in which the pattern is found, in time that grows with their length alone.

    Raises PatternError for what is no pattern, or cannot be searched for like that.
    """
    try:
        # the engine of pydantic, which never backtracks; a pattern that would need megabytes is refused
        return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except SchemaError as error:
        reason = str(error).splitlines()[-1].strip().removeprefix("error: ").removeprefix("SchemaError: ")
        raise PatternError(f"the pattern {shown(pattern)} cannot be searched for in linear time: {reason}") from None


_TOKENS = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|\{\d*,?\d*\}|.", re.DOTALL)


@lru_cache(maxsize=512)
def _size(pattern: str) -> int:
    """How many characters a pattern has once what is repeated a number of times is written out."""
    sizes, last = [0], 0
    for token in _TOKENS.findall(pattern):
        if token == "(":  # noqa: S105 - a token of the pattern
            sizes.append(0)
        elif token == ")" and len(sizes) > 1:  # noqa: S105
            last = sizes.pop()
            sizes[-1] += last
        elif token[0] == "{" and len(token) > 1:
            times = max((int(number[:6]) for number in re.findall(r"\d+", token)), default=1)
            sizes[-1] += last * max(times - 1, 0)
        else:
            last = 1
            sizes[-1] += 1
    return sum(sizes)


def _mixes(schema: Any) -> bool:
    """Whether it has the two keywords of which the library looks for patterns by itself."""
    names: set[str] = set()
    waiting = [schema]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            names |= cast("dict[str, Any]", one).keys() & {"unevaluatedProperties", "patternProperties"}
            waiting += cast("dict[str, Any]", one).values()
        elif isinstance(one, list):
            waiting += cast("list[Any]", one)
    return len(names) == 2


def _is_pattern(pattern: object) -> bool:
    return not isinstance(pattern, str) or bool(_compiled(pattern))


_PATTERNS = FormatChecker(formats=())
"""Checks the patterns within schemas, and no other format."""
_PATTERNS.checks("regex", PatternError)(_is_pattern)
