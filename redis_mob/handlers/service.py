"""An HTTP service as a handler: the step is the body of a POST, the body of the response its answer."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack
from functools import cache
from typing import Any

import httpx

from redis_mob.codec.arguments import integer, integers, optional_instance
from redis_mob.codec.retry_after import retry_after
from redis_mob.codec.urls import checked_url
from redis_mob.errors import ValidationError, shown
from redis_mob.fleet.step_context import StepContext, StepFailed, StepThrottled
from redis_mob.handlers.request import request_bytes
from redis_mob.handlers.secrets import checked_texts, most_encoded, without

CONNECT_SECONDS = 10.0
"""How long a connection may take: a host that is away is noticed long before the deadline of most steps."""

RETRIED = frozenset({408, 409, 425, 429})
"""Statuses below 500 that another attempt may not meet again: timeout, conflict, too early, too many requests."""

EXCERPT_BYTES = 2 * 1024
"""How much of the response a failure keeps."""


def http(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    timeout: float | None = None,
    client: httpx.AsyncClient | None = None,
    retried: Collection[int] = RETRIED,
    max_output_bytes: int | None = None,
) -> Http:
    """A handler that sends the step to a service as the JSON body of a POST, and returns the body of the response.

    The body is the object that a program gets too (see docs/handlers.md), the idempotency key is also the header
    Idempotency-Key. A response is read as JSON if its content type says so, else as text; an empty one is null. The
    call ends at the deadline of the step, or after `timeout` seconds if that is sooner.

    A status of 500 or more, or one of `retried`, fails the attempt, as a connection that breaks does; so does any other
    status, after which there is no further attempt. Retry-After says how long the next one waits at least. Status 429,
    if it is one of `retried`, uses up no attempt (contract: engine-94). Redirects are not followed. More than
    `max_output_bytes`, which is the limit of the definition unless it is given, fails the step; no more of it is read.

    Without a `client` each call has a connection of its own. A client keeps connections open; it belongs to one event
    loop, and closing it is for its owner. Values of headers stand in no message. Raises ValidationError for arguments
    that make no sense.
    """
    return Http(
        url,
        headers=headers,
        timeout=timeout,
        client=client,
        retried=retried,
        max_output_bytes=max_output_bytes,
    )


class Http:
    """A handler that calls a service; see `http`, which makes it."""

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None,
        timeout: float | None,
        client: httpx.AsyncClient | None,
        retried: Collection[int],
        max_output_bytes: int | None,
    ) -> None:
        try:
            self._url = httpx.URL(checked_url("url", url))
        except httpx.InvalidURL:
            # it may hold a password
            raise ValidationError("url must be one of http:// or https:// with a host") from None
        self._headers = checked_texts("headers", headers)
        for name, value in self._headers.items():
            if not (name.isascii() and value.isascii()) or any(one in name + value for one in "\r\n\0"):
                raise ValidationError(f"headers: {shown(name)} must be ASCII on one line")
        if timeout is not None and (
            isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0  # pyright: ignore[reportUnnecessaryIsInstance]
        ):
            raise ValidationError(f"timeout must be more than 0 seconds, not {shown(timeout)}")
        self._timeout = timeout
        self._client = optional_instance("client", client, httpx.AsyncClient)
        self._retried = integers("retried", retried)
        self._most = None if max_output_bytes is None else integer("max_output_bytes", max_output_bytes, least=0)

    def __repr__(self) -> str:
        return f"http({self._shown_url!r})"

    @property
    def _shown_url(self) -> str:
        """The URL without what may be secret in it: user, password, query."""
        return str(self._url.copy_with(userinfo=b"", query=None, fragment=None))

    @property
    def _secrets(self) -> list[str]:
        # httpx sends user and password as Basic authentication
        sent = base64.b64encode(f"{self._url.username}:{self._url.password}".encode()).decode()
        return [*self._headers.values(), self._url.password, sent, *self._url.params.values()]

    async def __call__(self, ctx: StepContext) -> Any:
        """What the service answers. Raises StepFailed saying what went wrong instead."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._answered(ctx)
        except TimeoutError:
            raise StepFailed(f"{self._shown_url} has not answered in {self._timeout:g} s") from None
        except httpx.HTTPError as error:
            # without the exception itself: those that it comes from may repeat what was sent
            raise StepFailed(without(f"{self._shown_url}: {_described(error)}", self._secrets)) from None

    async def _answered(self, ctx: StepContext) -> Any:
        most = ctx.profile.max_output_bytes if self._most is None else self._most
        async with AsyncExitStack() as stack:
            client = self._client or await stack.enter_async_context(httpx.AsyncClient(verify=_tls()))
            request = client.build_request(
                "POST",
                self._url,
                content=request_bytes(ctx),
                headers={
                    "Content-Type": "application/json",
                    "Accept": "application/json, text/*;q=0.9, */*;q=0.1",
                    # what is compressed may become a thousand times as long, before it can be counted
                    "Accept-Encoding": "identity",
                    **self._headers,
                    "Idempotency-Key": ctx.idempotency_key,
                },
                # the deadline is kept by the worker, which cancels this call
                timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
            )
            response = await client.send(request, stream=True, follow_redirects=False)
            stack.push_async_callback(response.aclose)
            if not response.is_success:
                raise await self._failure(response)
            body = await _body(response, most)
        if len(body) > most:
            raise StepFailed(
                f"{self._shown_url} answered with more than {most:,} bytes; let it keep what is large elsewhere, and "
                "return where that is",
                retryable=False,
            )
        return self._read(body, response)

    async def _failure(self, response: httpx.Response) -> StepFailed:
        status = response.status_code
        reason = f"{self._shown_url} answered with status {status} {response.reason_phrase}".rstrip()
        if response.is_redirect:
            reason += "; redirects are not followed: give the URL that it leads to"
        if status == int(httpx.codes.TOO_MANY_REQUESTS) and status in self._retried:
            return StepThrottled(without(reason, self._secrets), retry_after(response.headers))
        excerpt = self._excerpt(await _body(response, EXCERPT_BYTES + most_encoded(self._secrets)))
        return StepFailed(
            without(reason, self._secrets),
            retryable=status >= httpx.codes.INTERNAL_SERVER_ERROR or status in self._retried,
            detail={"status": status, "body": excerpt},
            retry_after=retry_after(response.headers),
        )

    def _read(self, body: bytes, response: httpx.Response) -> Any:
        if not body:
            return None
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        is_json = kind == "application/json" or kind.endswith("+json")
        try:
            return json.loads(body) if is_json else body.decode(response.charset_encoding or "utf-8")
        except (ValueError, LookupError, RecursionError):  # an encoding that is none is a LookupError
            raise StepFailed(
                f"{self._shown_url} answered with what is no {'JSON' if is_json else 'text'}: "
                f"{shown(self._excerpt(body))}"
            ) from None

    def _excerpt(self, body: bytes) -> str:
        """The beginning of a body."""
        cut = most_encoded(self._secrets)
        hidden = without(body[: EXCERPT_BYTES + cut].decode(errors="replace"), self._secrets).encode(errors="replace")
        if cut and len(body) >= EXCERPT_BYTES + cut:
            hidden = hidden[:-cut]  # where it was cut off there may be the beginning of a secret
        return hidden[:EXCERPT_BYTES].decode(errors="replace")


@cache
def _tls() -> ssl.SSLContext:
    """What httpx would make for each client: reading all certificates takes a tenth of a second of the event loop."""
    return httpx.create_ssl_context()


async def _body(response: httpx.Response, most: int) -> bytes:
    """The body, as far as it is read: one that is too long is longer than `most`, and is not read to its end."""
    if response.headers.get("Content-Encoding", "identity") not in ("", "identity"):
        raise StepFailed(
            f"the service answered with content encoding {shown(response.headers['Content-Encoding'])} although only "
            "identity was accepted",
            retryable=False,
        )
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > most:
            break
    return bytes(body)


def _described(error: httpx.HTTPError) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
