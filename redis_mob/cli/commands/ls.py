"""The options of `redis-mob ls`."""

from __future__ import annotations

from typing import Annotated

import typer

from redis_mob.cli.options import (
    AttributeOption,
    FlowOption,
    MobOption,
    NamespaceOption,
    SealKeysOption,
    SharedUrlOption,
    SinceOption,
    StatusOption,
    TextOption,
    UntilOption,
)


def ls(
    mob: MobOption = None,
    flow: FlowOption = None,
    status: StatusOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    text: TextOption = None,
    attribute: AttributeOption = None,
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
    import asyncio

    from redis_mob.cli.display import stderr_console
    from redis_mob.cli.endings import errors_told, print_line, say
    from redis_mob.cli.run_list import Where, conditions, page_as_json, page_as_text, read_page, standard_output

    errors = stderr_console()
    with errors_told(errors):
        which = conditions(mob, flow, status, since, until, text, attribute)
        page = asyncio.run(read_page(Where(url, namespace, seal_keys), which, limit, after))
    if page.runs:
        print_line(page_as_json(page) if as_json else page_as_text(page, standard_output()))
    elif not as_json:
        say(errors, "no runs")
    if page.next is not None and not as_json:
        say(errors, f"there are more: --after {page.next}")
