"""A part of the track of a fleet: runs of one conversation, which wait for each other and write its history."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from random import Random
from typing import Any
from uuid import UUID

from redis_mob.errors import ConversationBusyError
from redis_mob.fleet import engine
from redis_mob.models.conversation import Conversation
from redis_mob.models.execution import ExecutionStatus
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.driven_runs import ONE_STEP, pending
from tests.robustness.twins import Twins


async def converse(twins: Twins, random: Random) -> AsyncGenerator[None]:
    """Runs that are started in a conversation, begin, say something, and are superseded or canceled too early."""
    name = str(random.random())
    conversation, run_ids = Conversation(name, max_items=random.choice((None, 3))), list[str]()

    async def views(run_id: str) -> tuple[Any, Any]:
        return await twins.both(lambda s: s.executions.load(run_id))

    async def commit(made: list[Any]) -> None:
        if all(made):
            await twins.both(lambda s: s.executions.commit(made[0]), lambda s: s.executions.commit(made[1]))

    async def start(*, rejects: bool) -> None:
        run, launch = pending(ONE_STEP, 1, str(UUID(int=random.getrandbits(128))))

        async def started(storage: MobStorage) -> Any:
            try:
                return await storage.conversations.start(
                    run, launch, ONE_STEP, conversation=conversation, rejects=rejects
                )
            except ConversationBusyError as error:
                return str(error)

        ours, theirs = await twins.both(started)
        assert ours == theirs
        if not isinstance(ours, str):
            run_ids.append(run.run_id)

    async def speak(run_id: str) -> None:
        both = await views(run_id)
        if not all(both) or not all(view.executions for view in both):
            return
        executions = [next(iter(view.executions.items())) for view in both]
        number, items = random.randrange(2), [random.randrange(3)]
        ours, theirs = await twins.both(
            lambda s: s.conversations.change(run_id, *executions[0], name, number, "append", items),
            lambda s: s.conversations.change(run_id, *executions[1], name, number, "append", items),
        )
        assert ours == theirs

    async def advance(run_id: str) -> None:
        if not all(await twins.both(lambda s: s.conversations.take_turn(run_id))):
            return
        both = await views(run_id)
        made = [engine.advance(view, ONE_STEP) for view in both]
        await commit(made)
        both = await views(run_id)
        for key, execution in both[0].executions.items():
            if execution.status is ExecutionStatus.WAITING:
                await commit([engine.claim(view, ONE_STEP, key, owner="one", random=Random(0)) for view in both])

    await start(rejects=True)
    for move in random.sample([0, 0, 1, 1, 2, 2, 2, 2, 2, 3, 3, 4, 5, 6, 7], 15):
        run_id = random.choice(run_ids)
        match move:
            case 0:
                await start(rejects=False)
            case 1:
                await start(rejects=random.random() < 0.5)
            case 2:
                await advance(run_id)
            case 3:
                await speak(run_id)
            case 4:
                await twins.both(lambda s, run_id=run_id: s.conversations.supersede(run_id, rolls_back=True))
            case 5:
                await twins.both(lambda s, run_id=run_id: s.conversations.supersede(run_id))
            case 6:
                kind = random.choice(("append", "pop", "clear"))
                items = ["outside"] if kind == "append" else []
                await twins.both(lambda s, kind=kind, items=items: s.conversations.edit(conversation, kind, items))
            case _:
                await twins.both(lambda s, run_id=run_id: s.conversations.release(run_id, name))
        yield
    # in the end nothing is under way, or due when time has passed
    for run_id in run_ids:
        await twins.both(lambda s, run_id=run_id: s.executions.request_cancel(run_id))
        both = await views(run_id)
        await commit([engine.advance(view, ONE_STEP) for view in both])
    ours, theirs = await twins.both(lambda s: s.conversations.history(name))
    assert [(one.number, one.value, one.run_id, one.change) for one in ours] == [
        (one.number, one.value, one.run_id, one.change) for one in theirs
    ]
    await twins.both(lambda s: s.conversations.delete(name))
