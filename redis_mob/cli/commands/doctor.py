"""The options of `redis-mob doctor`."""

from __future__ import annotations

from typing import Annotated

import typer

from redis_mob.cli.options import DurabilityOption, JsonOption, NamespaceOption, UrlOption


def doctor(
    url: UrlOption = None,
    namespace: NamespaceOption = "default",
    durability: DurabilityOption = "memory",
    as_json: JsonOption = False,
    strict: Annotated[bool, typer.Option("--strict", help="Let warnings count as errors.")] = False,
) -> None:
    """Look at a server for what would lose data or break.

    It says what to change, and writes nothing there.

    Exit status: 0 no errors, 1 errors, with --strict also warnings, 2 usage error, 3 storage unavailable.
    """
    import asyncio
    import sys

    from redis_mob.admin.doctor.examination import examine
    from redis_mob.cli import doctor as doctor_output
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told, print_line, usable_url
    from redis_mob.cli.exit_status import ExitStatus
    from redis_mob.connection.calls.durability import Durability

    with errors_told(stderr_console()):
        asked = Durability.parse(durability)
        address = usable_url(url, of_memory="it has no server to look at")
        examination = asyncio.run(examine(address, namespace, asked))
    if as_json:
        print_line(doctor_output.as_json(examination))
    else:
        print_line(doctor_output.as_text(examination, coloured=sys.stdout.isatty()))
    healthy = doctor_output.is_healthy(examination, strict=strict)
    raise typer.Exit(ExitStatus.COMPLETED if healthy else ExitStatus.FAILED)
