"""The options of `redis-mob count`."""

from __future__ import annotations

from redis_mob.cli.options import (
    AttributeOption,
    FlowOption,
    JsonOption,
    MobOption,
    NamespaceOption,
    SealKeysOption,
    SharedUrlOption,
    SinceOption,
    StatusOption,
    TextOption,
    UntilOption,
)


def count(
    mob: MobOption = None,
    flow: FlowOption = None,
    status: StatusOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    text: TextOption = None,
    attribute: AttributeOption = None,
    as_json: JsonOption = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Count runs by their status. All conditions that are given must apply.

    Exit status: 0 counted, 2 usage error, 3 storage unavailable.
    """
    import asyncio

    from redis_mob.cli.display import stderr_console
    from redis_mob.cli.endings import errors_told, print_line
    from redis_mob.cli.run_list import (
        Where,
        conditions,
        counts_as_json,
        counts_as_text,
        read_counts,
        standard_output,
    )

    with errors_told(stderr_console()):
        which = conditions(mob, flow, status, since, until, text, attribute)
        counts = asyncio.run(read_counts(Where(url, namespace, seal_keys), which))
    print_line(counts_as_json(counts) if as_json else counts_as_text(counts, standard_output()))
