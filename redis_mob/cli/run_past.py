"""What `redis-mob show --at` prints: a run as it was behind one of its events."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from rich.text import Text

from redis_mob.cli.console import printable
from redis_mob.cli.existing import existing
from redis_mob.cli.moments import place_of
from redis_mob.cli.printing import Paper
from redis_mob.cli.run_argument import run_id_of
from redis_mob.cli.words import state_text, time_text
from redis_mob.kernel.seeds import root_frame_id
from redis_mob.operations.admin.run_lists import RunLists
from redis_mob.operations.past_reading import state_at
from redis_mob.past.time_travel import RunMoment
from redis_mob.security.sealing import SealKeyring


async def moment_of(url: str, namespace: str, seal_keys: SealKeyring | None, run: str, at: str) -> RunMoment:
    """The run that an argument names, as it was behind its last event up to a cursor, or before a time."""
    place = place_of("--at", at, datetime.now(UTC))
    async with existing(url, namespace, seal_keys) as storage:
        return await state_at(storage, await run_id_of(RunLists(storage), run), place)


def page(moment: RunMoment, paper: Paper) -> str:
    """The moment as text: the run, then each step and loop with its state, by frames."""
    return paper.rendered(*_parts(moment))


def _parts(moment: RunMoment) -> Iterator[Text]:
    when = "before its first event" if moment.at is None else f"behind event {moment.cursor}, {time_text(moment.at)}"
    yield Text.assemble("run ", (moment.run_id, "bold"), f"  {moment.status} {when}")
    root = root_frame_id(moment.run_id)
    for name, node in moment.nodes.items():
        place = name.removeprefix(root).lstrip(":/").replace("::", " > ")
        told = "".join(f"  {printable(member)} {state}" for member, state in node.members.items())
        begun = f"  {moment.iterations[name]:,} iterations begun" if name in moment.iterations else ""
        yield Text.assemble("  ", state_text(node.state), f"  {printable(place)}{begun}{told}")
