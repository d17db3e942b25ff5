"""Drives a namespace on a server and one in memory with the same calls, and compares every word that they say."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, ClassVar, TypeAlias
from uuid import uuid4

from hypothesis import settings
from hypothesis.stateful import MultipleResults, RuleBasedStateMachine, multiple, run_state_machine_as_test

from redis_mob.security.sealing import SealKey
from redis_mob.storage import MobStorage
from tests.differential.said import outcome, said
from tests.support.examples import examples
from tests.support.health_checks import ALL_HEALTH_CHECKS

EXAMPLES = examples(200)

SETTINGS = settings(
    max_examples=EXAMPLES, stateful_step_count=30, deadline=None, suppress_health_check=ALL_HEALTH_CHECKS
)

SEAL_KEY = SealKey.generate()

NO_RESULT: MultipleResults[Any] = multiple()
"""What a rule returns that adds nothing to its bundle."""

Call: TypeAlias = Callable[[MobStorage], Awaitable[Any]]


@asynccontextmanager
async def twins(url: str) -> AsyncGenerator[tuple[MobStorage, MobStorage]]:
    """A new namespace on the server, and one in memory."""
    namespace = f"test-{uuid4().hex}"
    async with (
        MobStorage.open(url, namespace=namespace, seal_key=SEAL_KEY) as server,
        MobStorage.open("memory:", namespace=namespace) as memory,
    ):
        yield server, memory


async def agreed(server: MobStorage, memory: MobStorage, call: Call) -> Any:
    """What both answer to a call; an error is an answer too. Fails if they do not answer the same."""
    on_server, in_memory = await outcome(call(server)), await outcome(call(memory))
    if said(on_server) != said(in_memory):
        raise AssertionError(f"on the server: {said(on_server)}\n    in memory: {said(in_memory)}")
    return in_memory


class Twins(RuleBasedStateMachine):
    """A machine whose rules call `both`. Each example has a namespace of its own, and an event loop that both share."""

    url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._opened = AsyncExitStack()
        self._run = self._runner.get_loop().run_until_complete  # Runner.run costs more than most calls
        self.server, self.memory = self._run(self._opened.enter_async_context(twins(self.url)))

    def both(self, call: Call) -> Any:
        """What server and memory answer to a call. Fails if they do not answer the same."""
        return self._run(agreed(self.server, self.memory, call))

    def teardown(self) -> None:
        self._run(self._opened.aclose())
        self._runner.close()


def check_twins(machine: type[Twins], url: str) -> None:
    """Run a machine on the server at this URL."""
    machine.url = url
    # Hypothesis parses the source of the machine. In Python 3.11 that fails (SystemError) if the collector runs
    # meanwhile, and finds a task whose exception asyncio then logs: to format it, source is parsed too.
    gc.collect()
    run_state_machine_as_test(machine, settings=SETTINGS)
