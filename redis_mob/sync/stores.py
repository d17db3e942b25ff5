"""The stores of a namespace without async: what each method promises stands in `redis_mob.contracts`."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any, cast

from redis_mob.contracts import (
    AskStore,
    BudgetStore,
    CheckpointStore,
    ConfigSubscription,
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
    WatchableConfigStore,
    WebhookStore,
)
from redis_mob.models import ConfigChangeEvent
from redis_mob.sync.loop_thread import LoopThread
from redis_mob.sync.twins import Facade, Following, followed, twin, walked


class Events(Facade[MobEventStore]):
    """Twins of the methods of `contracts.MobEventStore`."""

    append = twin(MobEventStore.append)
    append_terminal_event_if_absent = twin(MobEventStore.append_terminal_event_if_absent)
    append_step_failed_event_if_absent = twin(MobEventStore.append_step_failed_event_if_absent)
    append_batch = twin(MobEventStore.append_batch)
    poll = twin(MobEventStore.poll)
    replay_all = twin(MobEventStore.replay_all)
    latest_cursor = twin(MobEventStore.latest_cursor)
    prune = twin(MobEventStore.prune)
    clear = twin(MobEventStore.clear)
    subscribe = followed(MobEventStore.subscribe)


class Runs(Facade[MobRunStore]):
    """Twins of the methods of `contracts.MobRunStore`."""

    create_run = twin(MobRunStore.create_run)
    get_run = twin(MobRunStore.get_run)
    list_runs = twin(MobRunStore.list_runs)
    cas_run_status = twin(MobRunStore.cas_run_status)
    cas_flow_state = twin(MobRunStore.cas_flow_state)
    cas_run_snapshot = twin(MobRunStore.cas_run_snapshot)
    cas_run_snapshot_and_append_terminal_event = twin(MobRunStore.cas_run_snapshot_and_append_terminal_event)
    append_step_entry = twin(MobRunStore.append_step_entry)
    append_step_entry_if_absent = twin(MobRunStore.append_step_entry_if_absent)
    put_step_output = twin(MobRunStore.put_step_output)
    append_failure_entry = twin(MobRunStore.append_failure_entry)
    append_failure_entry_if_absent = twin(MobRunStore.append_failure_entry_if_absent)
    upsert_loop_snapshot = twin(MobRunStore.upsert_loop_snapshot)
    cas_frame_state = twin(MobRunStore.cas_frame_state)
    cas_grant_node_slot = twin(MobRunStore.cas_grant_node_slot)
    cas_complete_step_and_record_output = twin(MobRunStore.cas_complete_step_and_record_output)
    cas_start_loop = twin(MobRunStore.cas_start_loop)
    cas_loop_request_body_frame = twin(MobRunStore.cas_loop_request_body_frame)
    cas_grant_body_frame_start = twin(MobRunStore.cas_grant_body_frame_start)
    cas_complete_body_frame = twin(MobRunStore.cas_complete_body_frame)
    cas_complete_loop = twin(MobRunStore.cas_complete_loop)


class Specs(Facade[MobSpecStore]):
    """Twins of the methods of `contracts.MobSpecStore`."""

    put_spec = twin(MobSpecStore.put_spec)
    put_spec_and_append_event = twin(MobSpecStore.put_spec_and_append_event)
    get_spec = twin(MobSpecStore.get_spec)
    list_specs = twin(MobSpecStore.list_specs)
    delete_spec = twin(MobSpecStore.delete_spec)


class RuntimeMetadata(Facade[MobRuntimeMetadataStore]):
    """Twins of the methods of `contracts.MobRuntimeMetadataStore`."""

    load_supervisor_authority = twin(MobRuntimeMetadataStore.load_supervisor_authority)
    put_supervisor_authority = twin(MobRuntimeMetadataStore.put_supervisor_authority)
    put_supervisor_authority_if_absent = twin(MobRuntimeMetadataStore.put_supervisor_authority_if_absent)
    compare_and_put_supervisor_authority = twin(MobRuntimeMetadataStore.compare_and_put_supervisor_authority)
    compare_and_delete_supervisor_authority = twin(MobRuntimeMetadataStore.compare_and_delete_supervisor_authority)
    delete_supervisor_authority = twin(MobRuntimeMetadataStore.delete_supervisor_authority)
    list_external_binding_overlays = twin(MobRuntimeMetadataStore.list_external_binding_overlays)
    put_external_binding_overlay_if_absent = twin(MobRuntimeMetadataStore.put_external_binding_overlay_if_absent)
    upsert_external_binding_overlay = twin(MobRuntimeMetadataStore.upsert_external_binding_overlay)
    compare_and_put_external_binding_overlay = twin(MobRuntimeMetadataStore.compare_and_put_external_binding_overlay)
    delete_external_binding_overlay = twin(MobRuntimeMetadataStore.delete_external_binding_overlay)
    delete_external_binding_overlays = twin(MobRuntimeMetadataStore.delete_external_binding_overlays)
    reseal_all = twin(MobRuntimeMetadataStore.reseal_all)


class RealmProfiles(Facade[RealmProfileStore]):
    """Twins of the methods of `contracts.RealmProfileStore`."""

    create = twin(RealmProfileStore.create)
    get = twin(RealmProfileStore.get)
    list = twin(RealmProfileStore.list)
    update = twin(RealmProfileStore.update)
    delete = twin(RealmProfileStore.delete)


class Records(Facade[RecordStore]):
    """Twins of the methods of `contracts.RecordStore`."""

    insert = twin(RecordStore.insert)
    get = twin(RecordStore.get)
    list = twin(RecordStore.list)
    compare_and_put = twin(RecordStore.compare_and_put)
    compare_and_delete = twin(RecordStore.compare_and_delete)
    collections = twin(RecordStore.collections)


class Executions(Facade[ExecutionStore]):
    """Twins of the methods of `contracts.ExecutionStore`."""

    start_run = twin(ExecutionStore.start_run)
    start_debounced = twin(ExecutionStore.start_debounced)
    start_child = twin(ExecutionStore.start_child)
    tell_parent = twin(ExecutionStore.tell_parent)
    load = twin(ExecutionStore.load)
    items = twin(ExecutionStore.items)
    ended = twin(ExecutionStore.ended)
    get_definition = twin(ExecutionStore.get_definition)
    commit = twin(ExecutionStore.commit)
    request_cancel = twin(ExecutionStore.request_cancel)
    send_signal = twin(ExecutionStore.send_signal)
    publish = twin(ExecutionStore.publish)
    set_labels = twin(ExecutionStore.set_labels)
    published = twin(ExecutionStore.published)
    status = twin(ExecutionStore.status)
    take_due = twin(ExecutionStore.take_due)
    join_workers = twin(ExecutionStore.join_workers)
    renew_worker = twin(ExecutionStore.renew_worker)
    put_aside = twin(ExecutionStore.put_aside)
    leave_workers = twin(ExecutionStore.leave_workers)
    workers = twin(ExecutionStore.workers)
    held = twin(ExecutionStore.held)


class Pauses(Facade[PauseStore]):
    """Twins of the methods of `contracts.PauseStore`."""

    pause_run = twin(PauseStore.pause_run)
    resume_run = twin(PauseStore.resume_run)
    pause_flow = twin(PauseStore.pause_flow)
    resume_flow = twin(PauseStore.resume_flow)
    set_aside = twin(PauseStore.set_aside)
    bring_back = twin(PauseStore.bring_back)
    pauses = twin(PauseStore.pauses)


class Progress(Facade[ProgressStore]):
    """Twins of the methods of `contracts.ProgressStore`."""

    append = twin(ProgressStore.append)
    read_after = twin(ProgressStore.read_after)


class Checkpoints(Facade[CheckpointStore]):
    """Twins of the methods of `contracts.CheckpointStore`."""

    keep = twin(CheckpointStore.keep)
    find = twin(CheckpointStore.find)
    of_run = twin(CheckpointStore.of_run)


class Asks(Facade[AskStore]):
    """Twins of the methods of `contracts.AskStore`."""

    pending = twin(AskStore.pending)
    answer = twin(AskStore.answer)
    forget = twin(AskStore.forget)


class Budgets(Facade[BudgetStore]):
    """Twins of the methods of `contracts.BudgetStore`."""

    reserve = twin(BudgetStore.reserve)
    settle = twin(BudgetStore.settle)
    set_bounds = twin(BudgetStore.set_bounds)
    accounts = twin(BudgetStore.accounts)
    reservations = twin(BudgetStore.reservations)
    shared = twin(BudgetStore.shared)
    forget = twin(BudgetStore.forget)
    reopened = twin(BudgetStore.reopened)
    usage = twin(BudgetStore.usage)


class Retention(Facade[RetentionStore]):
    """Twins of the methods of `contracts.RetentionStore`."""

    set_policy = twin(RetentionStore.set_policy)
    clear_policy = twin(RetentionStore.clear_policy)
    policies = twin(RetentionStore.policies)
    take_turn = twin(RetentionStore.take_turn)
    oldest_runs = twin(RetentionStore.oldest_runs)
    count_runs = twin(RetentionStore.count_runs)
    prune_events = twin(RetentionStore.prune_events)
    count_events = twin(RetentionStore.count_events)
    sizes = twin(RetentionStore.sizes)


class Steering(Facade[SteeringStore]):
    """Twins of the methods of `contracts.SteeringStore`."""

    begin_deletion = twin(SteeringStore.begin_deletion)
    continue_deletion = twin(SteeringStore.continue_deletion)
    deletions = twin(SteeringStore.deletions)
    limit_loads = twin(SteeringStore.limit_loads)
    queues = twin(SteeringStore.queues)
    move_run = twin(SteeringStore.move_run)
    import_run = twin(SteeringStore.import_run)
    published_of = twin(SteeringStore.published_of)


class Schedules(Facade[ScheduleStore]):
    """Twins of the methods of `contracts.ScheduleStore`."""

    put = twin(ScheduleStore.put)
    get = twin(ScheduleStore.get)
    list = twin(ScheduleStore.list)
    delete = twin(ScheduleStore.delete)
    advance = twin(ScheduleStore.advance)
    take_due = twin(ScheduleStore.take_due)
    now = twin(ScheduleStore.now)


class Webhooks(Facade[WebhookStore]):
    """Twins of the methods of `contracts.WebhookStore`."""

    put = twin(WebhookStore.put)
    get = twin(WebhookStore.get)
    list = twin(WebhookStore.list)
    delete = twin(WebhookStore.delete)
    take_turn = twin(WebhookStore.take_turn)
    advance = twin(WebhookStore.advance)
    dead_letters = twin(WebhookStore.dead_letters)
    redeliver = twin(WebhookStore.redeliver)


class Operations(Facade[OperationsStore]):
    """Twins of the methods of `contracts.OperationsStore`."""

    runs = twin(OperationsStore.runs)
    count = twin(OperationsStore.count)
    find = twin(OperationsStore.find)
    summary = twin(OperationsStore.summary)
    standing = twin(OperationsStore.standing)
    definitions = twin(OperationsStore.definitions)
    index_runs = twin(OperationsStore.index_runs)


class Conversations(Facade[ConversationStore]):
    """Twins of the methods of `contracts.ConversationStore`."""

    start = twin(ConversationStore.start)
    supersede = twin(ConversationStore.supersede)
    take_turn = twin(ConversationStore.take_turn)
    release = twin(ConversationStore.release)
    change = twin(ConversationStore.change)
    edit = twin(ConversationStore.edit)
    history = twin(ConversationStore.history)
    find = twin(ConversationStore.find)
    page = twin(ConversationStore.page)
    delete = twin(ConversationStore.delete)


class ConfigFollowing(Following[ConfigChangeEvent]):
    """The changes of config documents, one after the other."""

    def __init__(self, loop: LoopThread[Any], opening: AbstractAsyncContextManager[ConfigSubscription]) -> None:
        super().__init__(loop, opening)
        self._subscription = cast("ConfigSubscription", self._held.value)

    @property
    def cursor(self) -> int:
        """The cursor of the last change that was handed over or passed; `subscribe(after=cursor)` goes on behind it."""
        return self._subscription.cursor

    def next(self) -> ConfigChangeEvent:
        """Wait for the next change."""
        return self._loop.run(self._subscription.next())


class Config(Facade[WatchableConfigStore]):
    """Twins of the methods of `contracts.WatchableConfigStore`."""

    get = twin(WatchableConfigStore.get)
    lookup = twin(WatchableConfigStore.lookup)
    exists = twin(WatchableConfigStore.exists)
    list = twin(WatchableConfigStore.list)
    put = twin(WatchableConfigStore.put)
    put_if_absent = twin(WatchableConfigStore.put_if_absent)
    put_if_revision = twin(WatchableConfigStore.put_if_revision)
    delete = twin(WatchableConfigStore.delete)
    delete_if_revision = twin(WatchableConfigStore.delete_if_revision)
    apply = twin(WatchableConfigStore.apply)
    snapshot = twin(WatchableConfigStore.snapshot)
    change_token = twin(WatchableConfigStore.change_token)
    history = twin(WatchableConfigStore.history)
    walk = walked(WatchableConfigStore.walk)

    def subscribe(self, after: int | None = None) -> ConfigFollowing:
        """Follow the changes, each once and in order; as `ConfigChangeNotifier.subscribe`."""
        return ConfigFollowing(self.loop, self.target.subscribe(after))

    def scoped(self, scope_id: str) -> Config:
        """The documents of one scope, apart from those of all others; as `ConfigStore.scoped`."""
        return Config(self.loop, self.target.scoped(scope_id))

    @property
    def feed_length(self) -> int:
        """Each write through this object keeps at least this many of the newest changes in the feed; may be set."""
        return self.target.feed_length

    @feed_length.setter
    def feed_length(self, length: int) -> None:
        self.target.feed_length = length


class Host(Facade[HostStore]):
    """Twins of the methods of `contracts.HostStore`."""

    acquire_fence = twin(HostStore.acquire_fence)
    renew_fence = twin(HostStore.renew_fence)
    fence_timing = twin(HostStore.fence_timing)
    set_fence_timing = twin(HostStore.set_fence_timing)
    load_head = twin(HostStore.load_head)
    list_heads = twin(HostStore.list_heads)
    read_rows = twin(HostStore.read_rows)
    commit = twin(HostStore.commit)
