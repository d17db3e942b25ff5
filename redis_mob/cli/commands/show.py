"""The options of `redis-mob show`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from redis_mob.cli.options import NamespaceOption, SealKeysOption, SharedUrlOption


def show(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Its id, or what that begins with.")],
    failures: Annotated[bool, typer.Option("--failures", help="Every failure in full, with its traceback.")] = False,
    timeline: Annotated[bool, typer.Option("--timeline", help="The steps along the time of the run, as bars.")] = False,
    outputs: Annotated[
        bool, typer.Option("--outputs", help="Parameters and outputs of the steps, and not only their size.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="All members and iterations, however many.")] = False,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="CURSOR",
            help="The run as it was behind an event, whose cursor `tail` prints, or at a time: 2026-11-29T08:00, or 2h "
            "ago.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output instead.")] = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Show a run: what failed and why, and its steps.

    First what failed, what is tried again and what the run waits for; then its steps with members, attempts and times.

    Exit status: 0 shown, 2 usage error or an unknown run, 3 storage unavailable.
    """
    from redis_mob.cli.arguments import read_seal_keys
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told, print_line, shared_url
    from redis_mob.cli.printing import standard_output, write
    from redis_mob.cli.results import result_of
    from redis_mob.cli.run_pages import described, page

    with errors_told(stderr_console()):
        if at is not None:
            _refuse(failures=failures, timeline=timeline, outputs=outputs, all=everything)
        address = shared_url(url, of_memory="no other process has a run there")
        keys = read_seal_keys(seal_keys)
        if at is not None:
            _show_the_past(address, namespace, keys, run, at, as_json=as_json)
            return
        with_attempts = failures or timeline
        told = result_of(described(address, namespace, keys, run, outputs=outputs, attempts=with_attempts))
        if as_json:
            print_line(told.model_dump_json())
            return
        paper = standard_output()
        write(page(told, paper, failures=failures, timeline=timeline, all_of_it=everything))


def _refuse(**options: bool) -> None:
    """Raises ValidationError for an option that --at has no use for."""
    from redis_mob.errors import ValidationError

    for name, is_given in options.items():
        if is_given:
            raise ValidationError(
                f"--at shows the states of steps and members, and nothing of --{name}: leave that out"
            )


def _show_the_past(url: str, namespace: str, seal_keys: Any, run: str, at: str, *, as_json: bool) -> None:
    from redis_mob.cli.endings import print_line
    from redis_mob.cli.printing import standard_output, write
    from redis_mob.cli.results import result_of
    from redis_mob.cli.run_past import moment_of, page

    moment = result_of(moment_of(url, namespace, seal_keys, run, at))
    if as_json:
        print_line(moment.model_dump_json())
    else:
        write(page(moment, standard_output()))
