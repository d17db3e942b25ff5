"""Bounds on what an endpoint may send: its client reads errors whole, and lines of a stream, however long they are."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2

from redis_mob.fleet.step_context import StepFailed

MOST_ERROR_BYTES = 64 * 1024
"""How much of an error is read."""

MOST_LINE_BYTES = 8 * 1024 * 1024
"""How long a line of an answer may be: one that holds a whole answer, and not one that never ends."""


async def bound_response(response: httpx2.Response) -> None:
    """A hook of httpx2's clients: from now on the body of the response is bounded."""
    response.stream = _Bounded(response)


class _Bounded(httpx2.AsyncByteStream):
    """The body of a response: of an error its beginning, of an answer all of it, unless a line is too long."""

    def __init__(self, response: httpx2.Response) -> None:
        assert isinstance(response.stream, httpx2.AsyncByteStream), "of a client that is asynchronous"  # noqa: S101
        self._stream = response.stream
        self._is_error = response.is_error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        length = 0
        async for part in self._stream:
            yield part
            if self._is_error:
                length += len(part)
                if length > MOST_ERROR_BYTES:
                    return
            else:
                end = part.rfind(b"\n")
                length = length + len(part) if end < 0 else len(part) - end - 1
                if length > MOST_LINE_BYTES:
                    raise StepFailed(
                        f"the endpoint of the model sent a line of more than {MOST_LINE_BYTES:,} bytes", retryable=False
                    )

    async def aclose(self) -> None:
        """Close the stream behind this one."""
        await self._stream.aclose()
