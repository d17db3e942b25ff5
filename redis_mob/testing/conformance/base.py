"""What all classes of the suite share: the stores of the backend under test, as fixtures."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TypeVar

import pytest
import pytest_asyncio

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
from redis_mob.testing.backend import Backend, Stores

S = TypeVar("S")

Opener = Callable[[], Awaitable[Stores]]


class Guarantee:
    """A guarantee of the contract, said by the first sentence of the docstring, and the tests that show it.

    The backend comes from a fixture `backend` that the user of the suite defines. Every test is a coroutine.
    """

    pytestmark = pytest.mark.asyncio

    @pytest.fixture(autouse=True)
    def told(self, request: pytest.FixtureRequest, backend: Backend) -> None:
        """Tells the report which guarantee of which backend the test is about."""
        first_sentence = inspect.cleandoc(type(self).__doc__ or type(self).__name__).partition("\n\n")[0]
        request.node.user_properties += [
            ("backend", str(backend)),
            ("guarantee", " ".join(first_sentence.split())),
        ]

    @pytest_asyncio.fixture
    async def open_stores(self, backend: Backend) -> AsyncIterator[Opener]:
        """Opens one more handle on the backend; all are closed after the test."""
        async with AsyncExitStack() as stack:

            async def opened() -> Stores:
                return await stack.enter_async_context(backend.open())

            yield opened

    @pytest_asyncio.fixture
    async def stores(self, open_stores: Opener) -> Stores:
        """The handle of the test."""
        return await open_stores()

    @pytest.fixture
    def events(self, stores: Stores) -> MobEventStore:
        return given("events", stores.events)

    @pytest.fixture
    def runs(self, stores: Stores) -> MobRunStore:
        return given("runs", stores.runs)

    @pytest.fixture
    def specs(self, stores: Stores) -> MobSpecStore:
        return given("specs", stores.specs)

    @pytest.fixture
    def metadata(self, stores: Stores) -> MobRuntimeMetadataStore:
        return given("runtime_metadata", stores.runtime_metadata)

    @pytest.fixture
    def profiles(self, stores: Stores) -> RealmProfileStore:
        return given("realm_profiles", stores.realm_profiles)

    @pytest.fixture
    def config(self, stores: Stores) -> WatchableConfigStore:
        return given("config", stores.config)

    @pytest.fixture
    def executions(self, stores: Stores) -> ExecutionStore:
        return given("executions", stores.executions)

    @pytest.fixture
    def checkpoints(self, stores: Stores) -> CheckpointStore:
        return given("checkpoints", stores.checkpoints)

    @pytest.fixture
    def asks(self, stores: Stores) -> AskStore:
        return given("asks", stores.asks)

    @pytest.fixture
    def conversations(self, stores: Stores) -> ConversationStore:
        return given("conversations", stores.conversations)

    @pytest.fixture
    def budgets(self, stores: Stores) -> BudgetStore:
        return given("budgets", stores.budgets)

    @pytest.fixture
    def host(self, stores: Stores) -> HostStore:
        return given("host", stores.host)

    @pytest.fixture
    def records(self, stores: Stores) -> RecordStore:
        return given("records", stores.records)


def given(name: str, store: S | None) -> S:
    """A store that the backend has; skips the test if it has none."""
    if store is None:
        pytest.skip(f"the backend has no store of {name}")
    return store
