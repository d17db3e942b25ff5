"""The options of `redis-mob count`."""

from __future__ import annotations

from redis_mob.cli.options import JsonOption, NamespaceOption, SealKeysOption, SharedUrlOption
from redis_mob.cli.run_choice import RunChoice, choosing_runs


@choosing_runs
def count(
    choice: RunChoice,
    as_json: JsonOption = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Count runs by their status. All conditions that are given must apply.

    Exit status: 0 counted, 2 usage error, 3 storage unavailable.
    """
    import asyncio

    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told, print_line
    from redis_mob.cli.printing import standard_output, write
    from redis_mob.cli.run_list import Where, counts_as_json, counts_as_text, read_counts

    with errors_told(stderr_console()):
        which = choice.conditions()
        counts = asyncio.run(read_counts(Where(url, namespace, seal_keys), which))
    if as_json:
        print_line(counts_as_json(counts))
    else:
        write(counts_as_text(counts, standard_output()))
