"""The door to one namespace, without async."""

from __future__ import annotations

from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Self

from redis_mob import storage as asynchronous
from redis_mob.connection.retry import RetryPolicy
from redis_mob.payloads.settings import PayloadSettings
from redis_mob.security.sealing import SealKey, SealKeyring
from redis_mob.sync.loop_thread import LoopThread
from redis_mob.sync.past import PastStorage
from redis_mob.sync.stores import (
    Asks,
    Budgets,
    Checkpoints,
    Config,
    Conversations,
    Events,
    Executions,
    Host,
    Operations,
    Pauses,
    Progress,
    RealmProfiles,
    Records,
    Retention,
    Runs,
    RuntimeMetadata,
    Schedules,
    Specs,
    Steering,
    Transfers,
    Webhooks,
)

if TYPE_CHECKING:
    from redis_mob.connection.calls.sessions import WriteOutcome


class MobStorage:
    """The stores of one namespace; `open` makes it. Its attributes are those of `redis_mob.MobStorage`.

    Any thread may use it, in the process that opened it: after a fork each process opens one of its own. Once it is
    closed, its methods raise InternalError.
    """

    def __init__(self, loop: LoopThread[asynchronous.MobStorage]) -> None:
        opened = loop.value
        self.loop = loop
        self.namespace = opened.namespace
        self.url = opened.url
        self.exists = opened.exists
        self.payloads = opened.payloads
        self.events = Events(loop, opened.events)
        self.runs = Runs(loop, opened.runs)
        self.specs = Specs(loop, opened.specs)
        self.runtime_metadata = RuntimeMetadata(loop, opened.runtime_metadata)
        self.realm_profiles = RealmProfiles(loop, opened.realm_profiles)
        self.executions = Executions(loop, opened.executions)
        self.checkpoints = Checkpoints(loop, opened.checkpoints)
        self.asks = Asks(loop, opened.asks)
        self.conversations = Conversations(loop, opened.conversations)
        self.budgets = Budgets(loop, opened.budgets)
        self.progress = Progress(loop, opened.progress)
        self.pauses = Pauses(loop, opened.pauses)
        self.steering = Steering(loop, opened.steering)
        self.transfers = Transfers(loop, opened.transfers)
        self.retention = Retention(loop, opened.retention)
        self.schedules = Schedules(loop, opened.schedules)
        self.webhooks = Webhooks(loop, opened.webhooks)
        self.operations = Operations(loop, opened.operations)
        self.records = Records(loop, opened.records)
        self.config = Config(loop, opened.config)
        self.host = Host(loop, opened.host)

    @classmethod
    def open(
        cls,
        url: str | None = None,
        *,
        namespace: str = "default",
        seal_key: SealKey | SealKeyring | None = None,
        durability: str = "memory",
        retry: RetryPolicy | None = None,
        create: bool = True,
        payloads: PayloadSettings | None = None,
    ) -> Self:
        """Open a namespace, which is open when this returns: `with MobStorage.open(...) as storage`, or `close` it.

        Takes and raises what `redis_mob.MobStorage.open` does.
        """
        opening = asynchronous.MobStorage.open(
            url,
            namespace=namespace,
            seal_key=seal_key,
            durability=durability,
            retry=retry,
            create=create,
            payloads=payloads,
        )
        return cls(LoopThread(opening))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"sync.{self.loop.value!r}"

    def at(self, cursor: int) -> PastStorage:
        """See `redis_mob.MobStorage.at`."""
        return PastStorage(self.loop, self.loop.value.at(cursor))

    def resolve(self, token: str) -> WriteOutcome:
        """Learn what became of a write that raised OutcomeUnknownError, from the token of the error."""
        return self.loop.run(self.loop.value.resolve(token))

    def sweep_blobs(self, *, older_than: timedelta = timedelta(hours=1)) -> int:
        """See `redis_mob.MobStorage.sweep_blobs`."""
        return self.loop.run(self.loop.value.sweep_blobs(older_than=older_than))

    def close(self) -> None:
        """Cancel the calls under way in other threads, let workers hand back what they execute, and close all."""
        self.loop.close()
