"""The stores of one namespace on a server."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.open_namespace import OpenNamespace
from redis_mob.connection.retry import RetryPolicy
from redis_mob.errors import RedisMobError, StorageUnavailableError, shortened, shown
from redis_mob.notifications.wakeups import WakeUps
from redis_mob.payloads.settings import PLAIN, PayloadSettings
from redis_mob.security.sealing import Secrets
from redis_mob.stores.payloads import NamespacePayloads, open_payloads
from redis_mob.stores.readable import UNREADABLE
from redis_mob.stores.seal_keys import open_with_seal_keys

if TYPE_CHECKING:
    from redis_mob.stores.asks import RedisAskStore
    from redis_mob.stores.budgets import RedisBudgetStore
    from redis_mob.stores.checkpoints import RedisCheckpointStore
    from redis_mob.stores.config import RedisConfigStore
    from redis_mob.stores.conversations import RedisConversationStore
    from redis_mob.stores.events import RedisEventStore
    from redis_mob.stores.executions import RedisExecutionStore
    from redis_mob.stores.host import RedisHostStore
    from redis_mob.stores.operations import RedisOperationsStore
    from redis_mob.stores.pauses import RedisPauseStore
    from redis_mob.stores.progress import RedisProgressStore
    from redis_mob.stores.realm_profiles import RedisRealmProfileStore
    from redis_mob.stores.records import RedisRecordStore
    from redis_mob.stores.retention import RedisRetentionStore
    from redis_mob.stores.runs import RedisRunStore
    from redis_mob.stores.runtime_metadata import RedisRuntimeMetadataStore
    from redis_mob.stores.schedules import RedisScheduleStore
    from redis_mob.stores.specs import RedisSpecStore
    from redis_mob.stores.steering import RedisSteeringStore
    from redis_mob.stores.transfers import RedisTransferStore
    from redis_mob.stores.webhooks import RedisWebhookStore


class RedisStorage:
    """What one opening of a namespace on a server holds; `redis_mob.storage.MobStorage` is the door to it.

    A store is imported and made when it is first asked for: most programs need few of them.
    """

    def __init__(self, client: Client, keys: Keys, secrets: Secrets, payloads: NamespacePayloads | None = None) -> None:
        self._client = client
        self._keys = keys
        self._secrets = secrets
        self._payloads = payloads or NamespacePayloads(client, PLAIN)
        self.payloads = self._payloads.settings
        self._speaking = self._payloads.client
        """The client of the stores that keep what users and handlers say."""
        self.resolve = self._speaking.resolve
        self._wake_ups = WakeUps(client)
        client.close_first(self._wake_ups.aclose)
        self.namespace = keys.namespace
        self.on_server = OpenNamespace(client, keys)
        self.url = client.url
        self.exists = client.has_namespace

    @cached_property
    def events(self) -> RedisEventStore:
        from redis_mob.stores.events import RedisEventStore

        return RedisEventStore(self._speaking, self._keys, self._wake_ups)

    @cached_property
    def runs(self) -> RedisRunStore:
        from redis_mob.stores.runs import RedisRunStore

        return RedisRunStore(self._speaking, self._keys)

    @cached_property
    def specs(self) -> RedisSpecStore:
        from redis_mob.stores.specs import RedisSpecStore

        return RedisSpecStore(self._speaking, self._keys)

    @cached_property
    def runtime_metadata(self) -> RedisRuntimeMetadataStore:
        from redis_mob.stores.runtime_metadata import RedisRuntimeMetadataStore

        return RedisRuntimeMetadataStore(self._client, self._keys, self._secrets)

    @cached_property
    def realm_profiles(self) -> RedisRealmProfileStore:
        from redis_mob.stores.realm_profiles import RedisRealmProfileStore

        return RedisRealmProfileStore(self._client, self._keys)

    @cached_property
    def executions(self) -> RedisExecutionStore:
        from redis_mob.stores.executions import RedisExecutionStore

        return RedisExecutionStore(self._speaking, self._keys, self._wake_ups)

    @cached_property
    def checkpoints(self) -> RedisCheckpointStore:
        from redis_mob.stores.checkpoints import RedisCheckpointStore

        return RedisCheckpointStore(self._speaking, self._keys)

    @cached_property
    def asks(self) -> RedisAskStore:
        from redis_mob.stores.asks import RedisAskStore

        return RedisAskStore(self._speaking, self._keys)

    @cached_property
    def conversations(self) -> RedisConversationStore:
        from redis_mob.stores.conversations import RedisConversationStore

        return RedisConversationStore(self._speaking, self._keys)

    @cached_property
    def budgets(self) -> RedisBudgetStore:
        from redis_mob.stores.budgets import RedisBudgetStore

        return RedisBudgetStore(self._client, self._keys, self._wake_ups)

    @cached_property
    def progress(self) -> RedisProgressStore:
        from redis_mob.stores.progress import RedisProgressStore

        return RedisProgressStore(self._speaking, self._keys, self._wake_ups)

    @cached_property
    def pauses(self) -> RedisPauseStore:
        from redis_mob.stores.pauses import RedisPauseStore

        return RedisPauseStore(self._speaking, self._keys)

    @cached_property
    def steering(self) -> RedisSteeringStore:
        from redis_mob.stores.steering import RedisSteeringStore

        return RedisSteeringStore(self._speaking, self._keys)

    @cached_property
    def transfers(self) -> RedisTransferStore:
        from redis_mob.stores.transfers import RedisTransferStore

        return RedisTransferStore(self._speaking, self._client, self._keys, self._secrets, self.events)

    @cached_property
    def schedules(self) -> RedisScheduleStore:
        from redis_mob.stores.schedules import RedisScheduleStore

        return RedisScheduleStore(self._speaking, self._keys, self._wake_ups)

    @cached_property
    def operations(self) -> RedisOperationsStore:
        from redis_mob.stores.operations import RedisOperationsStore

        return RedisOperationsStore(self._speaking, self._keys)

    @cached_property
    def retention(self) -> RedisRetentionStore:
        from redis_mob.stores.retention import RedisRetentionStore

        return RedisRetentionStore(self._speaking, self._keys, self.operations)

    @cached_property
    def webhooks(self) -> RedisWebhookStore:
        from redis_mob.stores.webhooks import RedisWebhookStore

        return RedisWebhookStore(self._client, self._keys, self._wake_ups, self._secrets, self.events)

    @cached_property
    def records(self) -> RedisRecordStore:
        from redis_mob.stores.records import RedisRecordStore

        return RedisRecordStore(self._client, self._keys)

    @cached_property
    def config(self) -> RedisConfigStore:
        from redis_mob.stores.config import RedisConfigStore

        return RedisConfigStore(self._client, self._keys, self._wake_ups)

    @cached_property
    def host(self) -> RedisHostStore:
        from redis_mob.stores.host import RedisHostStore

        return RedisHostStore(self._speaking, self._keys)

    def __repr__(self) -> str:
        return f"RedisStorage({self._client!r}, namespace={self.namespace!r})"

    async def sweep_blobs(self, older_than: timedelta) -> int:
        """See `MobStorage.sweep_blobs`."""

        async def is_there(run_id: str) -> bool:
            return await self.executions.status(run_id) is not None

        return await self._payloads.sweep(is_there, older_than)

    async def aclose(self) -> None:
        """Close all connections, and end the embedded server if this storage started it."""
        await self._client.aclose()


async def open_redis_storage(
    url: str,
    namespace: str,
    secrets: Secrets,
    *,
    durability: str = "memory",
    retry: RetryPolicy | None = None,
    create: bool = True,
    payloads: PayloadSettings | None = None,
) -> RedisStorage:
    """Reach the server, and open the namespace with these keys, creating it if it is new, unless it is not to be
    created. Raises as MobStorage.open."""
    Keys(namespace)  # a bad name is refused before a server is started for it
    client = await connect(url, namespace, durability=durability, retry=retry)
    try:
        keys = await client.open_namespace(namespace, create=create)
        if client.has_namespace:
            await open_with_seal_keys(client, keys, secrets)
        return RedisStorage(client, keys, secrets, await open_payloads(client, keys, secrets, payloads))
    except UNREADABLE as error:
        await client.aclose()
        if isinstance(error, RedisMobError):
            raise
        raise StorageUnavailableError(
            f"cannot open namespace {shown(namespace)}: the server's replies cannot be read ({type(error).__name__}: "
            f"{shortened(error)})"
        ) from error
    except BaseException:
        await client.aclose()
        raise
