"""Tells of calls of the store: `db.client.operation.duration`, and a span within the span of a start or an attempt."""

from __future__ import annotations

from collections.abc import Awaitable
from time import perf_counter
from typing import Any

from redis_mob.telemetry import active, names

MOST_OF_ERROR_TYPE = 100
"""Characters of a name of an error: more of them would be no name."""


async def observed(script: str, call: Awaitable[Any]) -> Any:
    """What a call of this script returns or raises (contract: telemetry-5)."""
    spans, instruments = active.spans, active.instruments
    span = None if spans is None else spans.store_call(script)
    error_type: str | None = None
    began = perf_counter()
    try:
        return await call
    except BaseException as error:
        error_type = error_type_of(error)
        raise
    finally:
        if instruments is not None:
            labels = {names.DB_SYSTEM_NAME: names.REDIS, names.DB_STORED_PROCEDURE_NAME: script}
            if error_type is not None:
                labels[names.ERROR_TYPE] = error_type
            instruments.record(names.DB_CLIENT_OPERATION_DURATION, perf_counter() - began, labels)
        if span is not None:
            if error_type is not None:
                span.set_attribute(names.ERROR_TYPE, error_type)
            from redis_mob.telemetry.spans import end

            end(span)


def error_type_of(error: BaseException) -> str:
    """The code of a refusal of the server, as `OOM`, or the class of any other error: never what it says."""
    code = getattr(error, "code", None)
    return (code if isinstance(code, str) and code else type(error).__name__)[:MOST_OF_ERROR_TYPE]
