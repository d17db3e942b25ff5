"""Posts events. What it needs, httpx, comes with an extra: import this module only where something is posted."""

from __future__ import annotations

import asyncio
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from types import TracebackType
from typing import Any, Self

import httpx

from redis_mob.codec.event_json import event_json
from redis_mob.codec.retry_after import retry_after
from redis_mob.errors import shortened
from redis_mob.models.events import MobEvent
from redis_mob.models.webhook import Webhook
from redis_mob.version import __version__
from redis_mob.webhooks.signing import message_id, signed_headers
from redis_mob.webhooks.targets import NotPublicError, Targets, public_address

MOST_READ = 64 * 1024
"""Bytes of a response that are read, so that its connection can be used again; nothing is kept of them."""

GONE = 410
"""The status that says that a receiver wants no more."""

RESTING = (429, 503)
"""The statuses whose Retry-After counts for all events of a webhook."""

DRAIN_SECONDS = 1.0
"""How long that may take."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an attempt: `error` is None if the event was taken. `is_gone` says that no more is wanted there,
    `rest` for how long nothing is."""

    error: str | None = None
    is_gone: bool = False
    rest: timedelta | None = None


class Sender:
    """Posts the events of one webhook, over connections that stay open between them."""

    def __init__(self, namespace: str, webhook: Webhook, secret: str, targets: Targets) -> None:
        self._namespace = namespace
        self._webhook = webhook
        self._secret = secret
        self._is_public_only = targets is Targets.PUBLIC
        self._client = httpx.AsyncClient(
            verify=_tls(),
            timeout=webhook.timeout.total_seconds(),
            follow_redirects=False,
            trust_env=not self._is_public_only,
        )

    def __repr__(self) -> str:
        return f"Sender({self._webhook.name!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def post_event(self, event: MobEvent) -> Answer:
        """Post an event once."""
        return await self.post(message_id(self._namespace, event), event_json(event).encode())

    async def post(self, id: str, body: bytes) -> Answer:
        """Post a body once. It raises nothing: what went wrong is an answer."""
        try:
            async with asyncio.timeout(self._webhook.timeout.total_seconds()):
                return await self._posted(id, body)
        except TimeoutError:
            return Answer(f"no answer within {self._webhook.timeout.total_seconds():g} s")
        except NotPublicError:
            return Answer("its host has an address that is not public, and this worker posts to no other")
        except (httpx.ConnectError, OSError) as error:
            return Answer(f"no connection: {shortened(error) or type(error).__name__}")
        except Exception as error:  # noqa: BLE001 - libraries below raise many kinds; what they say may repeat the URL
            return Answer(f"the request failed: {type(error).__name__}")

    async def _posted(self, id: str, body: bytes) -> Answer:
        # the time of this host, as receivers compare it with theirs: that of the fleet may be ahead for ever
        signed = signed_headers(self._secret, id, int(time.time()), body)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"redis-mob/{__version__}",
            "Accept-Encoding": "identity",
            **signed,
        }
        url, extensions = httpx.URL(self._webhook.url), dict[str, Any]()
        if self._is_public_only:
            port = url.port or (443 if url.scheme == "https" else 80)
            address = await public_address(url.host, port)
            headers["Host"] = url.netloc.decode()
            extensions["sni_hostname"] = url.host  # the certificate is checked for the name
            url = url.copy_with(host=address)
        request = self._client.build_request("POST", url, content=body, headers=headers, extensions=extensions)
        response = await self._client.send(request, stream=True)
        try:
            with suppress(TimeoutError, httpx.HTTPError):  # the status counts, and it has come
                async with asyncio.timeout(DRAIN_SECONDS):
                    await _drain(response)
            return _answer_of(response)
        finally:
            await response.aclose()


async def _drain(response: httpx.Response) -> None:
    """Read a body to its end, if that comes soon."""
    read = 0
    async for chunk in response.aiter_raw():
        read += len(chunk)
        if read > MOST_READ:
            return


def _answer_of(response: httpx.Response) -> Answer:
    if response.is_success:
        return Answer()
    status = response.status_code
    error = f"status {status}"
    if response.is_redirect:
        error += ": redirects are not followed"
    rest = retry_after(response.headers) if status in RESTING else None
    return Answer(error, is_gone=status == GONE, rest=rest)


@cache
def _tls() -> ssl.SSLContext:
    """What httpx would make for each client: reading all certificates takes a tenth of a second of the event loop."""
    return httpx.create_ssl_context()
