"""The stores of one namespace on a server."""

from __future__ import annotations

from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.open_namespace import OpenNamespace
from redis_mob.connection.retry import RetryPolicy
from redis_mob.notifications.wakeups import WakeUps
from redis_mob.security.sealing import Secrets
from redis_mob.stores.asks import RedisAskStore
from redis_mob.stores.budgets import RedisBudgetStore
from redis_mob.stores.checkpoints import RedisCheckpointStore
from redis_mob.stores.config import RedisConfigStore
from redis_mob.stores.conversations import RedisConversationStore
from redis_mob.stores.events import RedisEventStore
from redis_mob.stores.executions import RedisExecutionStore
from redis_mob.stores.operations import RedisOperationsStore
from redis_mob.stores.pauses import RedisPauseStore
from redis_mob.stores.progress import RedisProgressStore
from redis_mob.stores.realm_profiles import RedisRealmProfileStore
from redis_mob.stores.retention import RedisRetentionStore
from redis_mob.stores.runs import RedisRunStore
from redis_mob.stores.runtime_metadata import RedisRuntimeMetadataStore
from redis_mob.stores.schedules import RedisScheduleStore
from redis_mob.stores.seal_keys import open_with_seal_keys
from redis_mob.stores.specs import RedisSpecStore
from redis_mob.stores.steering import RedisSteeringStore
from redis_mob.stores.webhooks import RedisWebhookStore


class RedisStorage:
    """What one opening of a namespace on a server holds; `redis_mob.storage.MobStorage` is the door to it."""

    def __init__(self, client: Client, keys: Keys, secrets: Secrets) -> None:
        self._client = client
        self.resolve = client.resolve
        self._wake_ups = WakeUps(client)
        client.close_first(self._wake_ups.aclose)
        self.namespace = keys.namespace
        self.on_server = OpenNamespace(client, keys)
        self.url = client.url
        self.exists = client.has_namespace
        self.events = RedisEventStore(client, keys, self._wake_ups)
        self.runs = RedisRunStore(client, keys)
        self.specs = RedisSpecStore(client, keys)
        self.runtime_metadata = RedisRuntimeMetadataStore(client, keys, secrets)
        self.realm_profiles = RedisRealmProfileStore(client, keys)
        self.executions = RedisExecutionStore(client, keys, self._wake_ups)
        self.checkpoints = RedisCheckpointStore(client, keys)
        self.asks = RedisAskStore(client, keys)
        self.conversations = RedisConversationStore(client, keys)
        self.budgets = RedisBudgetStore(client, keys, self._wake_ups)
        self.progress = RedisProgressStore(client, keys, self._wake_ups)
        self.pauses = RedisPauseStore(client, keys)
        self.steering = RedisSteeringStore(client, keys)
        self.schedules = RedisScheduleStore(client, keys, self._wake_ups)
        self.operations = RedisOperationsStore(client, keys)
        self.retention = RedisRetentionStore(client, keys, self.operations)
        self.webhooks = RedisWebhookStore(client, keys, self._wake_ups, secrets, self.events)
        self.config = RedisConfigStore(client, keys, self._wake_ups)

    def __repr__(self) -> str:
        return f"RedisStorage({self._client!r}, namespace={self.namespace!r})"

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
) -> RedisStorage:
    """Reach the server, and open the namespace with these keys, creating it if it is new, unless it is not to be
    created. Raises as MobStorage.open."""
    Keys(namespace)  # a bad name is refused before a server is started for it
    client = await connect(url, namespace, durability=durability, retry=retry)
    try:
        keys = await client.open_namespace(namespace, create=create)
        if client.has_namespace:
            await open_with_seal_keys(client, keys, secrets)
        return RedisStorage(client, keys, secrets)
    except BaseException:
        await client.aclose()
        raise
