"""The options of `redis-mob ls`."""

from __future__ import annotations

from typing import Annotated

import typer

from redis_mob.cli.options import NamespaceOption, SealKeysOption, SharedUrlOption
from redis_mob.cli.run_choice import RunChoice, choosing_runs


@choosing_runs
def ls(
    choice: RunChoice,
    parent: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Those that steps of this run run.", show_default=False),
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="How many at most.")] = 50,
    after: Annotated[
        str | None,
        typer.Option(metavar="CURSOR", help="Those behind the last page, which named this.", show_default=False),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="A JSON object for each, and one with `next` if there are more.")
    ] = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """List runs, the newest first, and why they failed.

    If there are more, a line on standard error says how to go on. All conditions that are given must apply.

    Exit status: 0 listed, also if there are none, 2 usage error, 3 storage unavailable.
    """
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told, print_line, say
    from redis_mob.cli.printing import standard_output, write
    from redis_mob.cli.results import result_of
    from redis_mob.cli.run_list import Where, page_as_json, page_as_text, read_children, read_page

    errors = stderr_console()
    with errors_told(errors):
        which = choice.conditions()
        where = Where(url, namespace, seal_keys)
        if parent is None:
            listed = result_of(read_page(where, which, limit, after, for_people=not as_json))
        else:
            reading = read_children(where, parent, which, limit, after, for_people=not as_json)
            listed = result_of(reading)
    page = listed.page
    if page.runs and as_json:
        print_line(page_as_json(listed))
    elif page.runs:
        write(page_as_text(listed, standard_output()))
    elif not as_json:
        say(errors, "no runs")
        if listed.mistyped is not None:
            say(errors, f"note: {listed.mistyped}")
    if page.next is not None and not as_json:
        say(errors, f"there are more: --after {page.next}")
