"""Fields that a document had and no class of ours has, as they are stored beside what is known (decision 0057).

A record without such fields is stored without a trace of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, TypeVar, cast

import msgpack
from pydantic_core import from_json, to_json

from redis_mob.codec.field_groups import DIGEST_SIZE, Group
from redis_mob.codec.payloads import Payload, payload
from redis_mob.codec.texts import packed, unpacked
from redis_mob.errors import InternalError, shown
from redis_mob.models.base import Model, check_value, json_text

M = TypeVar("M", bound=Model)


def with_unknown_fields(model: M, fields: dict[str, Any] | None) -> M:
    """The same model, which was just made, with these fields that its class does not have."""
    if fields:
        object.__setattr__(model, "__pydantic_extra__", fields)
    return model


def encode_fields(kind: type[Model], fields: Mapping[str, Any]) -> bytes:
    """The JSON object of these fields. Raises InternalError naming one that could not be read back."""
    for name, value in fields.items():
        try:
            check_value(name)
            check_value(value)
        except ValueError as error:
            raise InternalError(f"{kind.__name__} cannot be stored: unknown field {shown(name)}: {error}") from None
    return to_json(fields)


def decode_fields(data: bytes) -> dict[str, Any]:
    """The fields whose JSON this is, packed or not. Raises ValueError."""
    fields = from_json(unpacked(data), allow_inf_nan=False)
    if not isinstance(fields, dict):
        raise ValueError("unknown fields are no JSON object")
    return cast("dict[str, Any]", fields)


def stored_fields(kind: type[Model], fields: Mapping[str, Any], before: bytes = b"") -> Payload:
    """These fields as they are stored behind some bytes, which are never coded. Raises like `encode_fields`."""
    text = encode_fields(kind, fields)
    return payload(before + packed(text), before + text, clear=len(before))


def group_of_fields(kind: type[Model], fields: Mapping[str, Any]) -> Group:
    """The group of a snapshot that holds unknown fields. Raises like `encode_fields`."""
    return read_group(encode_fields(kind, fields))


def read_group(data: bytes) -> Group:
    """The group with these bytes. Its digest is that of the value: the order of keys, and the sign of a zero, do not
    count (contract: store-6). Raises ValueError for what is no JSON."""
    value = json.loads(data, parse_float=lambda digits: float(digits) + 0.0)
    text = json_text(value, sort_keys=True)
    return Group(data, blake2b(text.encode(), digest_size=DIGEST_SIZE).digest())


def fields_behind(row: msgpack.ExtraData) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The values of a packed row, and the unknown fields behind them, where `unpack` has found more than the values.

    Raises ValueError.
    """
    return row.unpacked, decode_fields(row.extra)
