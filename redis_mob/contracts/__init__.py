"""The store contracts: what a caller may rely on with every backend.

A lost compare is a plain False (or None), not an error: another writer was faster, so read again. Every mutating
method is atomic: it happens as a whole, or leaves nothing behind. Arguments are checked before any I/O: one of another
type than its signature says raises ValidationError, one of the right type whose content cannot be stored InternalError
(contract: store-23, store-24). The rules that are cited stand in docs/contract; decision 0010 lists where they depart
from other implementations.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redis_mob.contracts.asks import AskStore as AskStore
    from redis_mob.contracts.budgets import BudgetStore as BudgetStore
    from redis_mob.contracts.checkpoints import CheckpointStore as CheckpointStore
    from redis_mob.contracts.config import (
        ConfigChangeNotifier as ConfigChangeNotifier,
        ConfigStore as ConfigStore,
        ConfigSubscription as ConfigSubscription,
        WatchableConfigStore as WatchableConfigStore,
    )
    from redis_mob.contracts.conversations import ConversationStore as ConversationStore, StartedTurn as StartedTurn
    from redis_mob.contracts.events import MobEventStore as MobEventStore
    from redis_mob.contracts.executions import ExecutionStore as ExecutionStore
    from redis_mob.contracts.host import HostStore as HostStore
    from redis_mob.contracts.operations import OperationsStore as OperationsStore
    from redis_mob.contracts.pauses import PauseStore as PauseStore
    from redis_mob.contracts.progress import ProgressStore as ProgressStore
    from redis_mob.contracts.realm_profiles import (
        RealmProfileStore as RealmProfileStore,
        StoredRealmProfiles as StoredRealmProfiles,
    )
    from redis_mob.contracts.records import RecordStore as RecordStore
    from redis_mob.contracts.retention import RetentionStore as RetentionStore
    from redis_mob.contracts.runs import MobRunStore as MobRunStore
    from redis_mob.contracts.runtime_metadata import MobRuntimeMetadataStore as MobRuntimeMetadataStore
    from redis_mob.contracts.schedules import ScheduleStore as ScheduleStore
    from redis_mob.contracts.specs import MobSpecStore as MobSpecStore
    from redis_mob.contracts.steering import SteeringStore as SteeringStore
    from redis_mob.contracts.wake_up import WakeUp as WakeUp
    from redis_mob.contracts.webhooks import WebhookStore as WebhookStore

    __all__: list[str]
else:
    from redis_mob.lazy_names import lazy_names

    __all__, __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "asks": "AskStore",
            "budgets": "BudgetStore",
            "checkpoints": "CheckpointStore",
            "config": "ConfigChangeNotifier ConfigStore ConfigSubscription WatchableConfigStore",
            "conversations": "ConversationStore StartedTurn",
            "events": "MobEventStore",
            "executions": "ExecutionStore",
            "host": "HostStore",
            "operations": "OperationsStore",
            "pauses": "PauseStore",
            "progress": "ProgressStore",
            "realm_profiles": "RealmProfileStore StoredRealmProfiles",
            "records": "RecordStore",
            "retention": "RetentionStore",
            "runs": "MobRunStore",
            "runtime_metadata": "MobRuntimeMetadataStore",
            "schedules": "ScheduleStore",
            "specs": "MobSpecStore",
            "steering": "SteeringStore",
            "wake_up": "WakeUp",
            "webhooks": "WebhookStore",
        },
    )
