"""Attributes and summaries: checked, as they are stored with their run, and as they stand in the index.

Attributes are stored as their number in two digits, and of each the digest of its name, the digest of its value, its
length in four digits, and itself as msgpack. So a script can put one in the place of another, and find its places in
the index, without reading it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, cast

from redis_mob.codec.arguments import flag, instance, optional_text, text
from redis_mob.codec.executions import checked_key, encode_execution
from redis_mob.codec.packing import UNPACK_ERRORS, pack, unpack
from redis_mob.errors import InternalError, SerializationError, ValidationError, shown
from redis_mob.models.base import SortedDict
from redis_mob.models.execution import Execution, ExecutionKey
from redis_mob.models.labels import (
    LONGEST_SUMMARY,
    MOST_ATTRIBUTES,
    MOST_BYTES_OF_ATTRIBUTE,
    NO_LABELS,
    AttributeValue,
    LabelChange,
    Labels,
    attribute_text,
)

_DIGEST = 12
_LENGTH = 4
_COUNT = 2
_HEAD = 2 * _DIGEST + _LENGTH

ATTRIBUTES, SUMMARY = b"attributes", b"summary"
"""The fields of a run hash."""

_LEAST_INTEGER, _GREATEST_INTEGER = -(2**63), 2**64 - 1
"""Between them are the integers that can be stored."""


def checked_name(name: object) -> str:
    """The name of an attribute. Raises ValidationError for what is none."""
    known = _checked_text("the name of an attribute", name)
    if not known:
        raise ValidationError("the name of an attribute must not be empty")
    if "=" in known:
        raise ValidationError(f"attribute {shown(known)}: a name has no '=', which stands between name and value")
    return known


def checked_value(name: str, value: object) -> AttributeValue:
    """The value of an attribute. Raises ValidationError for what is none."""
    what = f"attribute {shown(name)}"
    if isinstance(value, str):
        return _checked_text(what, value)
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        if not _LEAST_INTEGER <= value <= _GREATEST_INTEGER:
            raise ValidationError(f"{what} has {shown(value)}, which has more than 64 bits: give it as a text")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValidationError(f"{what} has {value}, which is no number of JSON: give it as a text")
        return float(value)
    raise ValidationError(f"{what} must be a text, a number or a truth value, not {shown(value)}")


def _checked_text(what: str, value: object) -> str:
    if not isinstance(value, str):
        raise ValidationError(f"{what} must be a text, not {shown(value)}")
    try:
        length = len(value.encode())
    except UnicodeEncodeError:
        raise ValidationError(f"{what}, {shown(value)}, has a lone surrogate, which cannot be stored") from None
    if length > MOST_BYTES_OF_ATTRIBUTE:
        raise ValidationError(
            f"{what}, {shown(value)}, has {length:,} bytes in UTF-8, more than {MOST_BYTES_OF_ATTRIBUTE}"
        )
    return str.__str__(value)  # of a subclass, what it holds


def checked_attributes(attributes: object) -> SortedDict[AttributeValue]:
    """Attributes as a run may have them; None for none of them. Raises ValidationError naming what is wrong."""
    return _with_values(attributes, "given", "a new run has none to be removed")


def checked_filter(attributes: object) -> SortedDict[AttributeValue]:
    """Attributes that are asked for. Raises ValidationError naming what is wrong."""
    return _with_values(attributes, "asked for", "a run is found by what it has")


def _with_values(attributes: object, used: str, why_not_none: str) -> SortedDict[AttributeValue]:
    """Attributes of which each has a value; `used` says in errors what is done with them."""
    found = _checked_change(attributes)
    for name, value in found.items():
        if value is None:
            raise ValidationError(f"attribute {shown(name)} is None: {why_not_none}")
    if len(found) > MOST_ATTRIBUTES:
        raise ValidationError(too_many(f"{len(found)} are {used}"))
    return SortedDict(cast("dict[str, AttributeValue]", found))


def _checked_change(attributes: object) -> dict[str, AttributeValue | None]:
    if attributes is None:
        return {}
    if not isinstance(attributes, Mapping):
        raise ValidationError(f"attributes must be a mapping from names to values, not {shown(attributes)}")
    given = cast("Mapping[object, object]", attributes)
    names = {checked_name(name): value for name, value in given.items()}
    return {name: None if value is None else checked_value(name, value) for name, value in names.items()}


def checked_summary(summary: object) -> str | None:
    """A summary. Raises ValidationError for one that is too long, or no text; None stays None."""
    try:
        found = optional_text("summary", summary)
    except InternalError:
        raise ValidationError("summary has a lone surrogate, which cannot be stored") from None
    if found is not None and len(found) > LONGEST_SUMMARY:
        raise ValidationError(
            f"summary has {len(found):,} characters, more than {LONGEST_SUMMARY:,}: it is a line in a list of runs"
        )
    return found


def checked_labels(attributes: object, summary: object) -> Labels:
    """Labels of a new run. Raises ValidationError naming what is wrong."""
    found, said = checked_attributes(attributes), checked_summary(summary)
    return Labels.unchecked(attributes=found, summary=said) if found or said is not None else NO_LABELS


def stored_labels(labels: object) -> Labels:
    """The same labels, checked as a store takes them. Raises ValidationError naming what is wrong."""
    if labels is NO_LABELS:
        return NO_LABELS
    given = instance("labels", labels, Labels)
    return checked_labels(given.attributes, given.summary)


def checked_change(change: object) -> LabelChange:
    """A change of labels. Raises ValidationError naming what is wrong."""
    given = instance("change", change, LabelChange)
    attributes, sets_summary = _checked_change(given.attributes), flag("sets_summary", given.sets_summary)
    if sum(value is not None for value in attributes.values()) > MOST_ATTRIBUTES:
        raise ValidationError(too_many("more are set"))
    return LabelChange(attributes, checked_summary(given.summary) if sets_summary else None, sets_summary)


def checked_claim(key: ExecutionKey | None, execution: Execution | None) -> tuple[ExecutionKey, bytes] | None:
    """The execution for which labels are changed, and its record; None for an operator. Raises ValidationError."""
    if key is None and execution is None:
        return None
    if key is None or execution is None:
        raise ValidationError("give both the key and the execution, or none of them")
    return checked_key(key), encode_execution(execution)


def too_many(said: str) -> str:
    """What to tell of too many attributes."""
    return f"a run may have {MOST_ATTRIBUTES} attributes, and {said}: remove some with None"


def applied(labels: Labels, change: LabelChange) -> Labels | None:
    """The labels after a change; None if there are too many attributes then."""
    merged = {**labels.attributes, **change.attributes}
    kept = {name: value for name, value in merged.items() if value is not None}
    if len(kept) > max(MOST_ATTRIBUTES, len(labels.attributes)):
        return None
    summary = change.summary if change.sets_summary else labels.summary
    return Labels.unchecked(attributes=SortedDict(kept), summary=summary)


def name_digest(name: str) -> bytes:
    """What stands for a name."""
    return blake2b(text("name", name).encode(), digest_size=_DIGEST).digest()


def place_prefix(name: str, value: AttributeValue) -> bytes:
    """What the places of runs with this attribute begin with."""
    return name_digest(name) + blake2b(attribute_text(value).encode(), digest_size=_DIGEST).digest()


def encode_attribute(name: str, value: AttributeValue) -> bytes:
    """An attribute as it is stored."""
    document = pack((name, value))
    return place_prefix(name, value) + b"%0*d" % (_LENGTH, len(document)) + document


def encode_attributes(attributes: Mapping[str, AttributeValue]) -> bytes:
    """Attributes as they are stored with their run."""
    return b"%0*d" % (_COUNT, len(attributes)) + b"".join(encode_attribute(*one) for one in attributes.items())


def encode_summary(summary: str) -> bytes:
    """A summary as it is stored with its run; one that was cut short cannot be read."""
    return pack(summary)


def fields_of(labels: Labels) -> list[bytes]:
    """Fields and values of the run hash; none if there are no labels."""
    found: list[bytes] = []
    if labels.attributes:
        found += (ATTRIBUTES, encode_attributes(labels.attributes))
    if labels.summary is not None:
        found += (SUMMARY, encode_summary(labels.summary))
    return found


def decode_labels(run_id: str, head: Mapping[bytes, Any]) -> Labels:
    """The labels in the hash of a run. Raises SerializationError naming the run and what cannot be read."""
    stored, said = head.get(ATTRIBUTES), head.get(SUMMARY)
    if stored is None and said is None:
        return NO_LABELS
    part = "attributes"
    try:
        attributes = {} if stored is None else dict(_attributes(bytes(stored)))
        part = "summary"
        summary = None if said is None else unpack(bytes(said))
    except UNPACK_ERRORS as error:
        raise SerializationError(f"run {run_id}: {part} cannot be read: {error}") from error
    return Labels.unchecked(attributes=SortedDict(attributes), summary=summary)


def _attributes(stored: bytes) -> list[tuple[str, AttributeValue]]:
    found: list[tuple[str, AttributeValue]] = []
    number, stored = stored[:_COUNT], stored[_COUNT:]
    while stored:
        end = _HEAD + int(stored[2 * _DIGEST : _HEAD])
        name, value = unpack(stored[_HEAD:end])
        if encode_attribute(name, value) != stored[:end]:
            raise ValueError("one was cut short")
        found.append((name, value))
        stored = stored[end:]
    if number != b"%0*d" % (_COUNT, len(found)):
        raise ValueError(f"{len(found)} are there, and {number!r} are to be")
    return found
