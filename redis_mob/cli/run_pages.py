"""What `redis-mob show` prints of a run."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from redis_mob.cli import run_tree
from redis_mob.cli.existing import existing
from redis_mob.cli.printing import Paper
from redis_mob.cli.run_argument import run_id_of
from redis_mob.operations.admin.run_lists import RunLists
from redis_mob.operations.run_description import RunDescription
from redis_mob.operations.undriven_runs import describe_any
from redis_mob.security.sealing import SealKeyring


async def described(
    url: str, namespace: str, seal_keys: SealKeyring | None, run: str, *, outputs: bool, attempts: bool
) -> RunDescription:
    """The run that an argument names."""
    async with existing(url, namespace, seal_keys) as storage:
        run_id = await run_id_of(RunLists(storage), run)
        return await describe_any(storage, run_id, outputs=outputs, attempts=attempts)


def page(run: RunDescription, paper: Paper, *, failures: bool, timeline: bool, all_of_it: bool) -> str:
    """All that is asked for, as text: what is wrong first, so that it is on the first screen."""
    return paper.rendered(*_parts(run, paper, failures=failures, timeline=timeline, all_of_it=all_of_it))


def _parts(run: RunDescription, paper: Paper, *, failures: bool, timeline: bool, all_of_it: bool) -> Iterator[Text]:
    yield from run_tree.head(run)
    if failures:
        yield from run_tree.failures(run)
    yield Text()
    if timeline:
        from redis_mob.cli.timeline import timeline as timeline_of

        yield from timeline_of(run, paper.drawing, all_of_it=all_of_it)
    else:
        yield from run_tree.tree(run, paper.columns, all_of_it=all_of_it)
