"""The ports of a worker process: whether it is well, and its metrics; one port if both are asked for at one place."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from redis_mob.cli.arguments import within
from redis_mob.cli.extras import needs_extra
from redis_mob.cli.health import Health
from redis_mob.cli.http_port import Answer, Answering, Place, Request, http_port
from redis_mob.cli.metrics_port import METRICS_PATH, BearerToken
from redis_mob.errors import ValidationError

if TYPE_CHECKING:
    from redis_mob.metrics.pages import Page

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WorkerPorts:
    """Where a worker tells whether it is well, and where its metrics, which requests with the token get."""

    health: Place | None
    metrics: Place | None
    token: BearerToken | None
    page: Callable[[str], Page] | None

    @contextlib.asynccontextmanager
    async def answering(self, health: Health) -> AsyncGenerator[None]:
        """Answer while the block lasts. Raises ValidationError naming a port that cannot be used."""
        async with contextlib.AsyncExitStack() as open_ports:
            if self.metrics is not None:
                await open_ports.enter_async_context(http_port(self.metrics, "--metrics-port", self._with_page(health)))
            if self.health not in (None, self.metrics):
                await open_ports.enter_async_context(http_port(self.health, "--health-port", health.answer))
            yield

    def _with_page(self, health: Health) -> Answering:
        async def answer(request: Request) -> Answer:
            if request.path != METRICS_PATH or self.page is None:
                return await health.answer(request)
            refusal = None if self.token is None else self.token.refusal(request)
            if refusal is not None:
                return refusal
            page = self.page(request.headers.get("Accept", ""))
            return Answer(page.text, content_type=page.content_type)

        return answer


def worker_ports(health: tuple[str, int | None], metrics: tuple[str, int | None], token: str | None) -> WorkerPorts:
    """The ports that options ask for, each a host and a port, which is None if it is not wanted.

    The metrics of this process are counted from now on. Raises ValidationError for a port that is none, a place that
    others could read, or where what they need is not installed.
    """
    health_place = _place(*health, "--health-port")
    metrics_place = _place(*metrics, "--metrics-port")
    if metrics_place is None:
        if token is not None:
            raise ValidationError("--metrics-token-file is for --metrics-port, which is missing")
        return WorkerPorts(health_place, None, None, None)
    bearer = BearerToken(token, metrics_place, "--metrics-")
    with needs_extra("--metrics-port", "metrics"):
        from redis_mob.metrics.process_page import count_in_this_process, process_page
    if not count_in_this_process():
        _log.warning(
            "the modules of the handlers have set up OpenTelemetry: --metrics-port has what their "
            "PrometheusMetricReader tells, if they have one"
        )
    return WorkerPorts(health_place, metrics_place, bearer, process_page)


def _place(host: str, port: int | None, option: str) -> Place | None:
    return None if port is None else Place(host, within(option, port, 1, 65535))
