"""The stores of one namespace in memory."""

from __future__ import annotations

from datetime import timedelta
from typing import NoReturn

from redis_mob.errors import ValidationError, shown
from redis_mob.memory.asks import MemoryAskStore
from redis_mob.memory.budgets import MemoryBudgetStore
from redis_mob.memory.checkpoints import MemoryCheckpointStore
from redis_mob.memory.config import MemoryConfigStore
from redis_mob.memory.conversations import MemoryConversationStore
from redis_mob.memory.events import MemoryEventStore
from redis_mob.memory.executions import MemoryExecutionStore
from redis_mob.memory.host import MemoryHostStore
from redis_mob.memory.namespace import Access
from redis_mob.memory.operations import MemoryOperationsStore
from redis_mob.memory.pauses import MemoryPauseStore
from redis_mob.memory.progress import MemoryProgressStore
from redis_mob.memory.realm_profiles import MemoryRealmProfileStore
from redis_mob.memory.records import MemoryRecordStore
from redis_mob.memory.retention import MemoryRetentionStore
from redis_mob.memory.runs import MemoryRunStore
from redis_mob.memory.runtime_metadata import MemoryRuntimeMetadataStore
from redis_mob.memory.schedules import MemoryScheduleStore
from redis_mob.memory.specs import MemorySpecStore
from redis_mob.memory.steering import MemorySteeringStore
from redis_mob.memory.webhooks import MemoryWebhookStore
from redis_mob.payloads.settings import PLAIN


class MemoryStorage:
    """What one opening of a namespace in memory holds; `redis_mob.storage.MobStorage` is the door to it."""

    url = "memory:"

    def __init__(self, namespace: str) -> None:
        self._access = Access(namespace)
        self.namespace = namespace
        self.exists = True
        self.on_server = None
        self.payloads = PLAIN
        self.events = MemoryEventStore(self._access)
        self.runs = MemoryRunStore(self._access)
        self.specs = MemorySpecStore(self._access)
        self.runtime_metadata = MemoryRuntimeMetadataStore(self._access)
        self.realm_profiles = MemoryRealmProfileStore(self._access)
        self.executions = MemoryExecutionStore(self._access)
        self.checkpoints = MemoryCheckpointStore(self._access)
        self.asks = MemoryAskStore(self._access)
        self.conversations = MemoryConversationStore(self._access)
        self.budgets = MemoryBudgetStore(self._access)
        self.progress = MemoryProgressStore(self._access)
        self.pauses = MemoryPauseStore(self._access)
        self.steering = MemorySteeringStore(self._access)
        self.schedules = MemoryScheduleStore(self._access)
        self.operations = MemoryOperationsStore(self._access)
        self.retention = MemoryRetentionStore(self._access)
        self.webhooks = MemoryWebhookStore(self._access)
        self.records = MemoryRecordStore(self._access)
        self.config = MemoryConfigStore(self._access)
        self.host = MemoryHostStore(self._access)

    async def sweep_blobs(self, older_than: timedelta) -> int:
        """See `MobStorage.sweep_blobs`."""
        return 0

    def __repr__(self) -> str:
        return f"MemoryStorage(namespace={self.namespace!r})"

    async def resolve(self, token: str) -> NoReturn:
        """Raises ValidationError: no write in memory has an unknown outcome."""
        raise ValidationError(f"{shown(token)} is no token of a write in memory: none of them has an unknown outcome")

    async def aclose(self) -> None:
        """End this opening; the last one of a namespace takes the content with it."""
        self._access.close()
