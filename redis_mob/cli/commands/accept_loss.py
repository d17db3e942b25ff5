"""The options of `redis-mob accept-loss`."""

from __future__ import annotations

from typing import Annotated

import typer

from redis_mob.cli.options import JsonOption, NamespaceOption, SharedUrlOption


def accept_loss(
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    run: Annotated[
        str | None, typer.Option(metavar="ID", help="The run that has lost something.", show_default="the namespace")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Let what a namespace has lost count as never written.

    With --run that is what this run has lost. What it was is printed.

    Calls that would rely on lost records are refused until they are brought back, or their loss is accepted; the doctor
    tells of them. This brings nothing back, and cannot be undone. It changes nothing if nothing is missing. Records of
    an older release, which did not count them, are counted from then on.
    """
    import asyncio
    from dataclasses import asdict

    from redis_mob.admin.losses import accept_losses
    from redis_mob.cli.console import printable, stderr_console
    from redis_mob.cli.endings import errors_told, print_line, shared_url
    from redis_mob.models.base import json_text

    with errors_told(stderr_console()):
        losses = asyncio.run(accept_losses(shared_url(url, of_memory="it loses nothing"), namespace, run))
    if as_json:
        print_line(json_text({"namespace": namespace, "run": run, "accepted": [asdict(loss) for loss in losses]}))
    else:
        print_line("\n".join(printable(str(loss)) for loss in losses) or "nothing is missing")
