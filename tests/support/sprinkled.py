"""Random fields that no class of ours has, in random places of what is written of a model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

from hypothesis import strategies as st

from redis_mob.models.base import Model

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)

_NAMES = st.text(max_size=8) | st.sampled_from(
    ["kernel_state", "payload", "unknown", "beside", "model_extra", "__class__", "_snapshot", "_unread", "copy"]
)
_UNKNOWN = st.dictionaries(_NAMES, JSON, max_size=3)


def places(value: object, document: Any) -> Iterator[tuple[type[Model], dict[str, Any]]]:
    """Each model within a value, and what is written of it."""
    if isinstance(value, Model):
        yield type(value), document
        for name, field in type(value).model_fields.items():
            if (written := field.alias or name) in document:
                yield from places(getattr(value, name), document[written])
    elif isinstance(value, dict):
        for name, item in cast("dict[str, object]", value).items():
            yield from places(item, document[name])
    elif isinstance(value, tuple):
        for item, written in zip(cast("tuple[object, ...]", value), document, strict=True):
            yield from places(item, written)


def sprinkled(data: st.DataObject, value: Model) -> Any:
    """What is written of a value, with random fields in some of its places."""
    document = json.loads(value.model_dump_json())
    found = list(places(value, document))
    numbers = st.sets(st.integers(0, len(found) - 1), max_size=8)
    for number in {0, *data.draw(numbers)}:
        kind, written = found[number]
        known = {*kind.model_fields, *(field.alias for field in kind.model_fields.values())}
        written.update({name: item for name, item in data.draw(_UNKNOWN).items() if name not in known})
    return document
