"""What the conformance suite asks of a backend: a way to open it, and ways to disturb it where there are any."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn, Protocol, TypeAlias

import pytest

from redis_mob.contracts import (
    AskStore,
    BudgetStore,
    CheckpointStore,
    ConversationStore,
    ExecutionStore,
    HostStore,
    MobEventStore,
    MobRunStore,
    MobRuntimeMetadataStore,
    MobSpecStore,
    RealmProfileStore,
    RecordStore,
    WatchableConfigStore,
)


class Stores(Protocol):
    """The stores of one handle on a backend; None instead of a store that the backend does not have."""

    @property
    def events(self) -> MobEventStore | None: ...

    @property
    def runs(self) -> MobRunStore | None: ...

    @property
    def specs(self) -> MobSpecStore | None: ...

    @property
    def runtime_metadata(self) -> MobRuntimeMetadataStore | None: ...

    @property
    def realm_profiles(self) -> RealmProfileStore | None: ...

    @property
    def config(self) -> WatchableConfigStore | None: ...

    @property
    def executions(self) -> ExecutionStore | None: ...

    @property
    def checkpoints(self) -> CheckpointStore | None: ...

    @property
    def asks(self) -> AskStore | None: ...

    @property
    def conversations(self) -> ConversationStore | None: ...

    @property
    def budgets(self) -> BudgetStore | None: ...

    @property
    def host(self) -> HostStore | None: ...

    @property
    def records(self) -> RecordStore | None: ...


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event of the log."""

    cursor: int


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run; the damage lies where both reading it and listing the runs of its mob must see it."""

    run_id: str


@dataclass(frozen=True, slots=True)
class StoredSpec:
    """The definition of a mob."""

    mob_id: str


@dataclass(frozen=True, slots=True)
class StoredSupervisor:
    """The authority of a mob's supervisor."""

    mob_id: str


@dataclass(frozen=True, slots=True)
class StoredOverlay:
    """An external binding of an agent."""

    mob_id: str
    agent_identity: str
    generation: int


@dataclass(frozen=True, slots=True)
class StoredProfile:
    """A realm profile."""

    name: str


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A generic record."""

    collection: str
    key: str


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A config document; the damage lies in its text, not in its revision."""

    namespace: str
    id: str


Record: TypeAlias = (
    StoredEvent
    | StoredRun
    | StoredSpec
    | StoredSupervisor
    | StoredOverlay
    | StoredProfile
    | StoredRecord
    | StoredDocument
)
"""Something that is stored, by what names it."""


class Backend(ABC):
    """One storage, empty at first, for one test: give the suite a fixture `backend` that makes one.

    Only `open` must be there. The other methods reach past the stores, as an operator, a broken program or a bad
    network would; a test that needs one which a backend does not provide is skipped and says so, and what it would
    have shown stands as "not shown" in the report. A test that closes all its handles goes on with new ones, so the
    content must live as long as the fixture.
    """

    name: str = ""
    """What the report calls it; the name of the class unless it is set."""

    def __str__(self) -> str:
        return self.name or type(self).__name__

    @abstractmethod
    def open(self) -> AbstractAsyncContextManager[Stores]:
        """One more handle on the same content, with connections of its own, as another process would have."""

    async def now(self) -> datetime:
        """The present moment by the clock that the backend takes its times from, with a zone."""
        return datetime.now(UTC)

    async def damage(self, record: Record) -> None:
        """Overwrite the stored bytes of a record with bytes that cannot be read."""
        self._does_not("damage", "what a damaged record does")

    async def add_event(self, kind: str, *, schema_version: str | None = "6") -> int:
        """Write an event of mob `mob` without the store, whose kind is this text, JSON or not; returns its cursor.

        None leaves the version of the format out, as releases before meerkat 0.6 did.
        """
        self._does_not("add_event", "what an event does that the store did not write")

    async def forget_changes(self, *, keep: int) -> None:
        """Forget all changes of config documents but the newest `keep`, as a storage does in time."""
        self._does_not("forget_changes", "what a subscriber hears who fell behind")

    async def disconnect(self) -> None:
        """Cut the connections of all handles that are open; the handles themselves may connect again."""
        self._does_not("disconnect", "what a lost connection does")

    async def destroy(self) -> None:
        """Delete everything that is stored, as an operator does who removes a mob, while handles stay open."""
        self._does_not("destroy", "what readers do to a storage that is gone")

    async def is_destroyed(self) -> bool:
        """Whether there is still nothing at all, as `destroy` left it."""
        self._does_not("is_destroyed", "what readers do to a storage that is gone")

    def _does_not(self, method: str, what: str) -> NoReturn:
        pytest.skip(f"{self} does not provide {method}: {what} is not shown")
