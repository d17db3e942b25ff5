"""Totals of what models have used, as bytes: numbers by mob, flow, model and currency; lua/budgets/settle adds."""

from __future__ import annotations

from collections.abc import Mapping

from redis_mob.codec.arguments import instance, integer, optional_text, text
from redis_mob.codec.packing import UNPACK_ERRORS, pack, unpack
from redis_mob.errors import SerializationError
from redis_mob.models.budget import MICRO, Settlement
from redis_mob.models.model_usage import ModelUsageTotal, UsedBy

_NUMBERS = 7


def usage_field(settlement: Settlement) -> bytes:
    """The field of the total that a settled call counts in, empty if it counts in none. Raises ValidationError."""
    if settlement.by is None:
        return b""
    by = instance("by", settlement.by, UsedBy)
    model = optional_text("model", by.model)
    return pack((text("mob_id", by.mob_id), text("flow_id", by.flow_id), model, settlement.currency))


def usage_numbers(settlement: Settlement) -> list[int]:
    """What a settled call adds to its total: one call, its tokens by sort, and its cost."""
    by = settlement.by
    if by is None:
        return [0] * _NUMBERS
    told = [integer(name, getattr(by, name), least=0) for name in UsedBy._fields[3:]]
    used = settlement.used
    return [1, *told, used.tokens if settlement.is_estimated else 0, used.cost if settlement.currency else 0]


def encode_total(numbers: list[int]) -> bytes:
    """The record of a total."""
    return b" ".join(b"%d" % number for number in numbers) + b"\n"


def numbers_of_total(record: bytes) -> list[int]:
    """The numbers of a record. Raises SerializationError."""
    words = record.removesuffix(b"\n").split(b" ")
    if len(words) != _NUMBERS or not record.endswith(b"\n") or not all(word.isdigit() for word in words):
        raise SerializationError("what models have used cannot be read: a record of it is damaged")
    return [int(word) for word in words]


def decode_usage(stored: Mapping[bytes, bytes]) -> tuple[ModelUsageTotal, ...]:
    """The totals by mob, flow, model and currency. Raises SerializationError."""
    return tuple(sorted((_total(*one) for one in stored.items()), key=_order))


def _total(field: bytes, record: bytes) -> ModelUsageTotal:
    try:
        mob_id, flow_id, model, currency = unpack(field)
    except UNPACK_ERRORS as error:
        raise SerializationError(f"what models have used cannot be read: {error}") from error
    calls, given, made, read, written, estimated, cost = numbers_of_total(record)
    return ModelUsageTotal.unchecked(
        mob_id=mob_id,
        flow_id=flow_id,
        model=model,
        currency=currency,
        calls=calls,
        input_tokens=given,
        output_tokens=made,
        cache_read_tokens=read,
        cache_write_tokens=written,
        estimated_tokens=estimated,
        cost=cost / MICRO,
    )


def _order(total: ModelUsageTotal) -> tuple[str, str, str, str]:
    return total.mob_id, total.flow_id, total.model or "", total.currency or ""
