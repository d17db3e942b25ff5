"""Requests and answers as JSON: what a route returns, what it is sent and asked, and what went wrong."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

import pydantic
from pydantic import BaseModel
from pydantic_core import to_json
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from redis_mob.errors import (
    AlreadyExistsError,
    CasConflictError,
    DefinitionError,
    DurabilityError,
    InternalError,
    KernelError,
    NotFoundError,
    ReadFailedError,
    RedisMobError,
    SpecRevisionConflictError,
    ValidationError,
    VersionConflictError,
    WriteFailedError,
    shown,
)
from redis_mob.models.base import U64_MAX
from redis_mob.models.problems import problems
from redis_mob.ui.refusals import RefusedError, TooSlowError

M = TypeVar("M", bound=BaseModel)

MOST_BYTES = 1_000_000
"""Bytes of the body of a request."""

LONGEST_SECONDS = 30.0
"""How long a body may take: those that wait for one hold connections, which are bounded."""

_STATUSES: tuple[tuple[int, tuple[type[RedisMobError], ...]], ...] = (
    (404, (NotFoundError,)),
    (409, (CasConflictError, SpecRevisionConflictError, VersionConflictError, AlreadyExistsError)),
    (400, (ValidationError, DefinitionError, InternalError, KernelError)),
    (503, (ReadFailedError, WriteFailedError, DurabilityError)),
)
"""The status of each kind of error, the first that fits; 500 of all others, as for records that cannot be read."""


def reply(value: Any, status: int = 200) -> Response:
    """The JSON of models, dataclasses and plain values, which no cache keeps."""
    return raw(to_json(value, inf_nan_mode="null"), status)


def raw(data: bytes, status: int = 200) -> Response:
    """The same of what is JSON already."""
    return Response(data, status, {"Cache-Control": "no-store"}, "application/json")


async def body(request: Request, model: type[M]) -> M:
    """What a request sends, read strictly. Raises ValidationError that names the field, TooSlowError if it is late."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ValidationError(f"the body has the content type {shown(kind)}: send application/json")
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            read = await _read(request)
    except TimeoutError:
        raise TooSlowError(f"the body has not come within {LONGEST_SECONDS:g} seconds") from None
    except ClientDisconnect:
        raise RefusedError("the request was cut off within its body") from None
    try:
        return model.model_validate_json(read, strict=True)
    except pydantic.ValidationError as error:
        raise ValidationError(f"the body is wrong: {problems(error)}") from None


async def _read(request: Request) -> bytes:
    read = bytearray()
    async for chunk in request.stream():
        read += chunk
        if len(read) > MOST_BYTES:
            raise ValidationError(f"the body is longer than {MOST_BYTES} bytes")
    return bytes(read)


def failure(error: RedisMobError, detail: Any = None, message: str = "") -> Response:
    """The answer to a request that has raised this; `detail` is for programs, as both versions of a lost compare.

    `message` is said to people if the error itself does not tell them what to do.
    """
    told: dict[str, Any] = {"kind": type(error).__name__, "message": message or str(error), "detail": detail or {}}
    answer = reply({"error": told}, status_of(error))
    if isinstance(error, RefusedError):
        answer.headers.update(error.headers)
    return answer


def status_of(error: RedisMobError) -> int:
    """The HTTP status that tells this error."""
    if isinstance(error, RefusedError):
        return error.status
    return next((status for status, kinds in _STATUSES if isinstance(error, kinds)), 500)


def number_in(request: Request, name: str, default: int, most: int = U64_MAX, *, least: int = 0) -> int:
    """A whole number of the query, from `least`; `most` at most. Raises ValidationError for what is none."""
    text = request.query_params.get(name)
    if text is None or text == "":
        return default
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(U64_MAX))
    if not is_number or not least <= int(text) <= U64_MAX:
        raise ValidationError(f"{name} is {shown(text)}: give a whole number from {least}")
    return min(int(text), most)
