"""The door to one namespace, on a server or in memory."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any

from redis_mob.codec.arguments import duration, flag, optional_instance, text
from redis_mob.connection.calls.durability import Durability
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.retry import RetryPolicy, policy_of
from redis_mob.connection.servers.address import MemoryAddress
from redis_mob.connection.servers.url import parse_address, storage_url
from redis_mob.errors import StorageUnavailableError
from redis_mob.payloads.settings import PayloadSettings
from redis_mob.security.sealing import SealKey, SealKeyring, Secrets, secrets_with
from redis_mob.telemetry import active

if TYPE_CHECKING:
    from redis_mob.connection.calls.open_namespace import OpenNamespace
    from redis_mob.connection.calls.sessions import WriteOutcome
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
        OperationsStore,
        PauseStore,
        ProgressStore,
        RealmProfileStore,
        RecordStore,
        RetentionStore,
        ScheduleStore,
        SteeringStore,
        TransferStore,
        WatchableConfigStore,
        WebhookStore,
    )
    from redis_mob.memory.storage import MemoryStorage
    from redis_mob.past.view import PastStorage
    from redis_mob.stores.storage import RedisStorage


class MobStorage:
    """The stores of one namespace, for one event loop; `open` makes it.

    `events` is the event log, `runs` are the runs, `specs` the definitions of mobs, `runtime_metadata` says who
    supervises each mob and how its members are bound, `realm_profiles` are the profiles that mobs share, `config`
    are config documents and their changes, `executions` is what a fleet needs beside them, `progress` what handlers
    tell while they are at work, `operations` what operators ask, as for lists of runs, `steering` what they do with
    runs and queues, `retention` has the policies by which runs and events are deleted, `schedules` which flows are
    started again and again, `pauses` which runs, flows and mobs are paused, `webhooks` which events are posted where,
    `conversations` which runs follow each other under one name, and what they have said, `host` what Core of meerkat
    keeps in a host store, `records` are JSON values of users that have no store of their own, `transfers` takes in what
    keeps the cursors and revisions of another store.
    `exists` is False if the namespace was not there when it was opened without `create`.
    `url` is the address under which other processes of this user reach the same server; it may hold a password.
    `payloads` says how what users and handlers say is stored (contract: payload-1).
    `on_server` is what the adapters to other libraries keep their own records with; None in memory.
    """

    events: MobEventStore
    runs: MobRunStore
    specs: MobSpecStore
    runtime_metadata: MobRuntimeMetadataStore
    realm_profiles: RealmProfileStore
    executions: ExecutionStore
    checkpoints: CheckpointStore
    asks: AskStore
    conversations: ConversationStore
    budgets: BudgetStore
    progress: ProgressStore
    pauses: PauseStore
    steering: SteeringStore
    operations: OperationsStore
    retention: RetentionStore
    schedules: ScheduleStore
    webhooks: WebhookStore
    config: WatchableConfigStore
    host: HostStore
    records: RecordStore
    transfers: TransferStore

    def __init__(self, backend: RedisStorage | MemoryStorage) -> None:
        self._backend = backend
        self.namespace = backend.namespace
        self.url = backend.url
        self.exists = backend.exists
        self.payloads: PayloadSettings = backend.payloads
        self.on_server: OpenNamespace | None = backend.on_server

    if not TYPE_CHECKING:
        # a type checker that saw it would take any name for an attribute

        def __getattr__(self, name: str) -> Any:
            # called for a store that is asked for the first time: most programs need few, and each takes its time
            if name not in MobStorage.__annotations__:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            store = vars(self)[name] = getattr(self._backend, name)
            return store

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
    ) -> OpeningStorage:
        """Open a namespace: `async with MobStorage.open(...) as storage`, or `storage = await MobStorage.open(...)`.

        Without a URL the environment variable REDIS_MOB_URL counts, then `embedded:`. Opening reaches the server,
        checks its version and the schema of the namespace, and creates the namespace if it is new. Without `create` a
        new one is left as it is: it is read as an empty one, and a write to it raises NotFoundError
        (contract: operations-233).
        `memory:` is a double for tests without a server: all that have the same namespace open in this process share
        its content, which is gone when the last of them is closed. Nothing is sealed there.
        With a seal key, secret keys and bootstrap tokens are stored sealed, and the namespace can only be opened with
        that key from then on; without one they are stored in clear, with one UnsealedSecretsWarning.
        A write whose reply is lost, or that cannot be sent, is sent again within the deadline of `retry`, ten seconds
        by default; it still happens at most once, and its result is that of the first time. So are reads. The deadline
        bounds each call, and each request of the opening; a RetryPolicy also says how long a connection and a reply
        may take. Opening waits within the deadline for what passes: a connection that is cut, a server that loads its
        data or is busy, a failover under way. What does not pass fails at once: no server at the address when it is
        first tried, a wrong password, certificate or protocol. An opening that fails leaves nothing behind.
        `payloads` says how parameters, messages, outputs, signals, checkpoints and failures are stored from now on:
        compressed, sealed, large ones outside of the server. The namespace remembers it, and without `payloads` that
        counts; a storage that was open before goes on as it did, and cannot read what is coded since
        (contract: payload-2).
        `durability` says what a write has reached when it returns: `memory`, that of the primary, which a crash or
        failover may lose; `fsync`, the disk of the primary; `replicas:N`, N replicas. A write that does not get that
        far in this time raises DurabilityError.
        Raises ValidationError for a bad URL, name, key, durability or policy, StorageUnavailableError for a server that
        cannot be used, for a user who lacks a right that the namespace needs, or if the server cannot give that
        durability, SealKeyMissingError for a namespace that needs seal keys that are not given, SealKeyMismatchError
        for one that is sealed with another key of the same id.
        """
        return OpeningStorage(
            optional_instance("url", url, str),
            text("namespace", namespace),
            secrets_with(seal_key),
            text("durability", durability),
            optional_instance("retry", retry, RetryPolicy),
            create=flag("create", create),
            payloads=optional_instance("payloads", payloads, PayloadSettings),
        )

    def __repr__(self) -> str:
        return f"MobStorage({self._backend!r})"

    def at(self, cursor: int) -> PastStorage:
        """Runs and events of the namespace as they were behind the event of a cursor, to be read (contract: past-1).

        `at(cursor).runs` and `.events` have the reading methods of `runs` and `events`. Nothing is read before these
        are called, and nothing is kept for it: each run is led back by its log of inputs, its events and its ledgers.
        0 is before the first event; at the newest cursor of the log a run is as it is stored now.
        Raises ValidationError for a negative cursor.
        """
        from redis_mob.past.view import PastStorage

        return PastStorage(cursor, self.events, self.runs, self.executions)

    async def resolve(self, token: str) -> WriteOutcome:
        """Learn what became of a write that raised OutcomeUnknownError, from the token of the error.

        A write that has not been executed by then never will be. Any storage on the same namespace may ask, as long as
        the one that wrote is in use, and ten minutes longer.
        Raises ValidationError for a text that is no token of this namespace, OutcomeUnknownError if the write happened
        in part, or if it cannot be learned (any more).
        """
        return await self._backend.resolve(text("token", token))

    async def sweep_blobs(self, *, older_than: timedelta = timedelta(hours=1)) -> int:
        """Delete the blobs of runs that are not there, and return how many such runs there were.

        A write that was refused, or whose process ended before it, may leave a blob of a run that never was, or that
        is deleted. The blobs of a run of which one was written within `older_than` stay: the run may be about to be
        created.
        Raises ReadFailedError or WriteFailedError if the place of the blobs cannot be used (contract: payload-7).
        """
        return await self._backend.sweep_blobs(duration("older_than", older_than))

    async def aclose(self) -> None:
        """Close all connections, and end the embedded server if this storage started it."""
        await self._backend.aclose()


class OpeningStorage:
    """A storage about to be opened: await it, or use it as an async context manager, which closes it again."""

    def __init__(
        self,
        url: str | None,
        namespace: str,
        secrets: Secrets,
        durability: str,
        retry: RetryPolicy | None,
        *,
        create: bool,
        payloads: PayloadSettings | None,
    ) -> None:
        self._url = url
        self._namespace = namespace
        self._secrets = secrets
        self._durability = durability
        self._retry = retry
        self._create = create
        self._payloads = payloads
        self._storage: MobStorage | None = None

    def __await__(self) -> Generator[Any, None, MobStorage]:
        return self._open().__await__()

    async def __aenter__(self) -> MobStorage:
        self._storage = await self._open()
        return self._storage

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._storage is not None:
            await self._storage.aclose()

    async def _open(self) -> MobStorage:
        active.activate()
        url = storage_url(self._url)
        retry = policy_of(self._retry)
        # Each kind of storage is imported when one is opened: the driver of a server takes its time, and so does the
        # double in memory.
        if isinstance(parse_address(url), MemoryAddress):
            from redis_mob.memory.storage import MemoryStorage

            if Durability.parse(self._durability).is_waited_for:
                raise StorageUnavailableError(f"durability {self._durability}: {url} keeps nothing beyond this process")
            return MobStorage(MemoryStorage(Keys(self._namespace).namespace))
        from redis_mob.stores.storage import open_redis_storage

        return MobStorage(
            await open_redis_storage(
                url,
                self._namespace,
                self._secrets,
                durability=self._durability,
                retry=retry,
                create=self._create,
                payloads=self._payloads,
            )
        )
