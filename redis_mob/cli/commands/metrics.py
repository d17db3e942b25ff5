"""The options of `redis-mob metrics`, and what it is asked to do."""

from __future__ import annotations

from typing import Annotated

import typer

from redis_mob.cli.options import NamespaceOption, SealKeysOption, SharedUrlOption


def metrics(
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    port: Annotated[int, typer.Option(metavar="PORT", help="Where to answer; 0 for any free port.")] = 9465,
    host: Annotated[
        str, typer.Option(metavar="HOST", help="The address to listen on; others than loopback need a token.")
    ] = "127.0.0.1",
    token_file: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Holds the token that requests carry as Bearer; - is stdin.", show_default=False
        ),
    ] = None,
    seal_keys: SealKeysOption = None,
) -> None:
    """Answer Prometheus with the metrics of a namespace.

    It does so until SIGTERM or Ctrl-C, and needs redis-mob[metrics]. They are at /metrics, in the format of Prometheus,
    or of OpenMetrics where it is asked for: what waits in the queues and for how long, runs by status, workers and
    their slots, schedules that are late, asks, the memory of the server. The store is read at a scrape, once a second
    at most. While it cannot be read there is redis_mob_up 0.

    /healthz answers 200 while the process is well, whether the server can be reached or not.

    Exit status: 0 ended by a signal, 2 usage error or port in use, 3 storage unavailable at the start.
    """
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told
    from redis_mob.cli.metrics_service import MetricsOptions, serve

    with errors_told(stderr_console()):
        serve(
            MetricsOptions(
                url=url, namespace=namespace, host=host, port=port, token_file=token_file, seal_keys=seal_keys
            )
        )
