"""Stores in memory with one bug each, of the kinds that backends really have: the suite must catch every one of them.

This module is a suite of its own, on the mutant that the environment variable `MUTANT` names; see test_mutants.
"""

# pyright: reportPrivateUsage=false
# A bug sits inside the store that it is in, and reaches what only that one may touch.

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from redis_mob.codec.config import encode_write
from redis_mob.codec.inputs import copied_inputs
from redis_mob.errors import AlreadyExistsError
from redis_mob.memory import run_changes as changes
from redis_mob.memory.config import MemoryConfigStore
from redis_mob.memory.events import MemoryEventStore
from redis_mob.memory.namespace import Access
from redis_mob.memory.runs import MemoryRunStore
from redis_mob.memory.specs import MemorySpecStore
from redis_mob.models import FlowAuthorityInput, MobEvent, NewMobEvent, StepLedgerEntry
from redis_mob.models.config import Delete
from redis_mob.testing import Backend, Stores
from redis_mob.testing.conformance import *  # noqa: F403
from tests.conformance.memory_backend import MemoryBackend


class ReusesCursors(MemoryEventStore):
    """The next cursor is one more than the greatest that is still there."""

    async def prune(self, older_than: datetime, *, structural: bool = False) -> int:
        deleted = await super().prune(older_than, structural=structural)
        self._access.content.log.newest = await self.latest_cursor()
        return deleted


class ForgetsPlainEnds(MemoryEventStore):
    """Only the conditional append notes that a flow has ended."""

    async def append_batch(self, events: Sequence[NewMobEvent], /) -> list[MobEvent]:
        log = self._access.content.log
        before = {*log._identities}
        stored = await super().append_batch(events)
        for end in [name for name in log._identities if name[:1] == b"t" and name not in before]:
            del log._identities[end]
        return stored


class RecordsLostOutputs(MemoryRunStore):
    """The output of a step is recorded although another call completed the step."""

    async def cas_complete_step_and_record_output(self, run_id: str, **arguments: Any) -> bool:
        won = await super().cas_complete_step_and_record_output(run_id, **arguments)
        if not won:
            key, output = arguments["step_output_key"], arguments["step_output"]
            self._replace(self._existing(run_id).with_output(key, output, arguments.get("loop_context")))
        return won


class WritesBeforeItChecks(MemoryRunStore):
    """Inputs are looked at when the state is written already."""

    async def cas_flow_state(
        self, run_id: str, *, authority_inputs: Sequence[FlowAuthorityInput] = (), **arguments: Any
    ) -> bool:
        won = await super().cas_flow_state(run_id, **arguments)
        if won:
            self._replace(changes.with_inputs(self._existing(run_id), copied_inputs(authority_inputs)))
        return won


class ComparesOnePart(MemoryRunStore):
    """A grant compares the flow state, and trusts that the frame is then the same too."""

    async def cas_grant_node_slot(self, run_id: str, **arguments: Any) -> bool:
        stored = self._existing(run_id).frames.get(arguments["frame_id"])
        if stored is not None:
            arguments["expected_frame"] = stored
        return await super().cas_grant_node_slot(run_id, **arguments)


class TellsRowsApartByOutput(MemoryRunStore):
    """A row of the step ledger with another output counts as another row."""

    async def append_step_entry_if_absent(self, run_id: str, *, entry: StepLedgerEntry) -> bool:
        run = self._existing(run_id)
        if changes.has_step_row(run, entry) and entry in run.step_ledger:
            return False
        await self.append_step_entry(run_id, entry=entry)
        return True


class CountsRevisionsAfresh(MemorySpecStore):
    """Revisions begin again when a definition was deleted."""

    async def delete_spec(self, mob_id: str, revision: int | None = None) -> bool:
        deleted = await super().delete_spec(mob_id, revision)
        if deleted:
            self._access.content.specs._counts.pop(mob_id.encode())
        return deleted


class TellsOfNothing(MemoryConfigStore):
    """The deletion of a document that is not there is told too."""

    async def delete(self, namespace: str, id: str) -> None:
        write = encode_write(self._prefix, Delete(namespace, id))
        if not await self.exists(namespace, id):
            self._stored.feed.announce(write, self.feed_length)
        await super().delete(namespace, id)


class ChecksThenActs(MemoryConfigStore):
    """Another call may come between the compare and the write."""

    async def put_if_absent(self, namespace: str, id: str, value: Any) -> None:
        if await self.exists(namespace, id):
            raise AlreadyExistsError(namespace, id)
        await asyncio.sleep(0)
        await self.put(namespace, id, value)


@dataclass(frozen=True)
class Mutant:
    """A store in the place of the right one, and the cases that must go red."""

    store: str
    made: Callable[[Access], Any]
    caught_by: set[str]


MUTANTS: Mapping[str, Mutant] = {
    "reuses_cursors": Mutant("events", ReusesCursors, {"case_016", "case_017", "case_033"}),
    "forgets_plain_ends": Mutant("events", ForgetsPlainEnds, {"case_025"}),
    "records_lost_outputs": Mutant("runs", RecordsLostOutputs, {"case_077"}),
    "writes_before_it_checks": Mutant("runs", WritesBeforeItChecks, {"case_089"}),
    "compares_one_part": Mutant("runs", ComparesOnePart, {"case_072"}),
    "tells_rows_apart_by_output": Mutant("runs", TellsRowsApartByOutput, {"case_058"}),
    "counts_revisions_afresh": Mutant("specs", CountsRevisionsAfresh, {"case_094"}),
    "tells_of_nothing": Mutant("config", TellsOfNothing, {"config_case_32"}),
    "checks_then_acts": Mutant("config", ChecksThenActs, {"config_case_13"}),
}


class MutantBackend(MemoryBackend):
    """The stores in memory, but for one."""

    def __init__(self, namespace: str, mutant: Mutant) -> None:
        super().__init__(namespace)
        self._mutant = mutant

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Stores]:
        async with super().open() as storage:
            stores = SimpleNamespace(**vars(storage))
            setattr(stores, self._mutant.store, self._mutant.made(Access(self.namespace)))
            yield cast("Stores", stores)


@pytest.fixture
async def backend(namespace: str) -> AsyncIterator[Backend]:
    mutant = MutantBackend(namespace, MUTANTS[os.environ["MUTANT"]])
    yield mutant
    mutant.close()
