"""The store contracts: what a caller may rely on with every backend.

A lost compare is a plain False (or None), not an error: another writer was faster, so read again. Every mutating
method is atomic: it happens as a whole, or leaves nothing behind. Arguments are checked before any I/O: one of another
type than its signature says raises ValidationError, one of the right type whose content cannot be stored InternalError
(contract: store-23, store-24). The rules that are cited stand in docs/contract; decision 0010 lists where they depart
from other implementations.
"""

from redis_mob.contracts.asks import AskStore
from redis_mob.contracts.budgets import BudgetStore
from redis_mob.contracts.checkpoints import CheckpointStore
from redis_mob.contracts.config import ConfigChangeNotifier, ConfigStore, ConfigSubscription, WatchableConfigStore
from redis_mob.contracts.conversations import ConversationStore, StartedTurn
from redis_mob.contracts.events import MobEventStore
from redis_mob.contracts.executions import ExecutionStore, WakeUp
from redis_mob.contracts.operations import OperationsStore
from redis_mob.contracts.pauses import PauseStore
from redis_mob.contracts.progress import ProgressStore
from redis_mob.contracts.realm_profiles import RealmProfileStore, StoredRealmProfiles
from redis_mob.contracts.retention import RetentionStore
from redis_mob.contracts.runs import MobRunStore
from redis_mob.contracts.runtime_metadata import MobRuntimeMetadataStore
from redis_mob.contracts.schedules import ScheduleStore
from redis_mob.contracts.specs import MobSpecStore
from redis_mob.contracts.steering import SteeringStore
from redis_mob.contracts.webhooks import WebhookStore

__all__ = [
    "AskStore",
    "BudgetStore",
    "CheckpointStore",
    "ConfigChangeNotifier",
    "ConfigStore",
    "ConfigSubscription",
    "ConversationStore",
    "ExecutionStore",
    "MobEventStore",
    "MobRunStore",
    "MobRuntimeMetadataStore",
    "MobSpecStore",
    "OperationsStore",
    "PauseStore",
    "ProgressStore",
    "RealmProfileStore",
    "RetentionStore",
    "ScheduleStore",
    "StartedTurn",
    "SteeringStore",
    "StoredRealmProfiles",
    "WakeUp",
    "WatchableConfigStore",
    "WebhookStore",
]
