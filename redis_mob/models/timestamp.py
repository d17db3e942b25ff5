"""Moments as the wire has them (contract: json-6)."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, GetCoreSchemaHandler, GetJsonSchemaHandler, PlainSerializer
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

_WRITTEN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})?$"
"""A time as RFC 3339 has it. One without a zone is refused as such, behind this."""

_NONE = "a time of RFC 3339 is needed, as 2026-03-01T12:00:00Z"


def format_timestamp(value: datetime) -> str:
    """RFC 3339 in UTC with `Z`; the fraction is left out or has three or six digits (contract: json-6)."""
    if value.utcoffset() is None:
        raise ValueError(f"{value.isoformat()} has no zone")
    if value.microsecond == 0:
        timespec = "seconds"
    else:
        timespec = "milliseconds" if value.microsecond % 1000 == 0 else "microseconds"
    return value.astimezone(UTC).isoformat(timespec=timespec).removesuffix("+00:00") + "Z"


def _to_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{value.isoformat()} lies outside the years 1 to 9999 in UTC") from None


class _Moment:
    """A time with a zone. In JSON it is a text: pydantic would take numbers, and digits, as seconds since 1970."""

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        text = core_schema.custom_error_schema(
            core_schema.str_schema(pattern=_WRITTEN, strict=True),
            custom_error_type="moment",
            custom_error_message=_NONE,
        )
        lax = core_schema.datetime_schema(tz_constraint="aware", strict=False)
        return core_schema.json_or_python_schema(
            json_schema=core_schema.chain_schema([text, lax]),
            python_schema=core_schema.datetime_schema(tz_constraint="aware"),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(core_schema.datetime_schema(tz_constraint="aware"))  # of the chain, it would describe the text


Timestamp = Annotated[
    AwareDatetime,
    _Moment,
    AfterValidator(_to_utc),
    PlainSerializer(format_timestamp, return_type=str, when_used="json"),
]
"""A moment in UTC with microseconds; longer fractions are truncated, naive times refused (contract: store-7)."""
