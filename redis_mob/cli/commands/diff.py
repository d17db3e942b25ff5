"""The options of `redis-mob diff`."""

from __future__ import annotations

from typing import Annotated

import typer

from redis_mob.cli.options import NamespaceOption, SealKeysOption, SharedUrlOption

_CURSOR = "The cursor of an event, as `tail` prints it, or a time: 2026-11-29T08:00, or 2h ago."


def diff(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Its id, or what that begins with.")],
    before: Annotated[str, typer.Argument(metavar="A", help=_CURSOR)],
    after: Annotated[str, typer.Argument(metavar="B", help="Another one.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output instead.")] = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Show what of a run differs between two events of the log.

    Exit status: 0 shown, 2 usage error or an unknown run, 3 storage unavailable.
    """
    from redis_mob.cli.arguments import read_seal_keys
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told, print_line, shared_url
    from redis_mob.cli.printing import standard_output, write
    from redis_mob.cli.results import result_of
    from redis_mob.cli.run_difference import difference_of, page

    with errors_told(stderr_console()):
        address = shared_url(url, of_memory="no other process has a run there")
        told = result_of(difference_of(address, namespace, read_seal_keys(seal_keys), run, before, after))
        if as_json:
            print_line(told.model_dump_json())
        else:
            write(page(told, standard_output()))
