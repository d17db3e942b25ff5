"""`redis-mob metrics`: answers Prometheus until the process is told to end."""

from __future__ import annotations

import asyncio
import logging
import signal
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from redis_mob.cli.arguments import read_seal_keys, within
from redis_mob.cli.console import stderr_console
from redis_mob.cli.endings import say, shared_url
from redis_mob.cli.existing import existing
from redis_mob.cli.extras import needs_extra
from redis_mob.cli.http_port import Answer, Place, Request, http_port
from redis_mob.cli.metrics_port import METRICS_PATH, BearerToken
from redis_mob.cli.secret_files import secret_in
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import shown
from redis_mob.models.base import json_text

HEALTH_PATH = "/healthz"


@dataclass(frozen=True, slots=True)
class MetricsOptions:
    """The options as the command line gives them."""

    url: str | None
    namespace: str
    host: str
    port: int
    token_file: str | None
    seal_keys: Path | None


def serve(options: MetricsOptions) -> None:
    """Answer until the end. Raises RedisMobError for options that make no sense, before anything is opened."""
    with needs_extra("redis-mob metrics", "metrics"):
        from redis_mob.metrics.namespace_page import NamespacePage
        from redis_mob.metrics.reading import NamespaceReader
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    place = Place(options.host, within("--port", options.port, 0, 65535))
    token = BearerToken(secret_in(options.token_file, "--token-file"), place, "--")
    url = shared_url(options.url, of_memory="no other process has runs there")
    keys, namespace = read_seal_keys(options.seal_keys), Keys(options.namespace).namespace

    async def opened() -> None:
        ending = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, ending.set)
        async with existing(url, namespace, keys) as storage:
            page = NamespacePage(NamespaceReader(storage), f"namespace {shown(namespace)}")

            async def answer(request: Request) -> Answer:
                if request.path == HEALTH_PATH:
                    said = {"status": "ok" if page.trouble is None else "ok, without the server"}
                    return Answer(f"{json_text(said)}\n".encode())
                if request.path != METRICS_PATH:
                    return Answer(f"metrics are at {METRICS_PATH}\n".encode(), HTTPStatus.NOT_FOUND, "text/plain")
                refusal = token.refusal(request)
                if refusal is not None:
                    return refusal
                found = await page.page(request.headers.get("Accept", ""))
                return Answer(found.text, content_type=found.content_type)

            async with http_port(place, "--port", answer) as listening:
                say(stderr_console(), f"metrics of namespace {shown(namespace)} at {listening.url}{METRICS_PATH}")
                await ending.wait()

    asyncio.run(opened())
