"""What operators do with a namespace, without async."""

from __future__ import annotations

from redis_mob.codec.arguments import instance
from redis_mob.operations import fleet_admin as asynchronous
from redis_mob.sync.storage import MobStorage
from redis_mob.sync.twins import Facade, followed, twin, walked


class FleetAdmin(Facade[asynchronous.FleetAdmin]):
    """Looks at the runs and workers of a namespace and steers them, without the code of the fleet."""

    def __init__(self, storage: MobStorage) -> None:
        opened = instance("storage", storage, MobStorage).loop.value
        super().__init__(storage.loop, asynchronous.FleetAdmin(opened))

    runs = twin(asynchronous.FleetAdmin.runs)
    all_runs = walked(asynchronous.FleetAdmin.all_runs)
    children = twin(asynchronous.FleetAdmin.children)
    count = twin(asynchronous.FleetAdmin.count)
    find = twin(asynchronous.FleetAdmin.find)
    cancel = twin(asynchronous.FleetAdmin.cancel)
    terminate = twin(asynchronous.FleetAdmin.terminate)
    delete = twin(asynchronous.FleetAdmin.delete)
    set_attributes = twin(asynchronous.FleetAdmin.set_attributes)
    set_summary = twin(asynchronous.FleetAdmin.set_summary)
    cancel_all = walked(asynchronous.FleetAdmin.cancel_all)
    terminate_all = walked(asynchronous.FleetAdmin.terminate_all)
    delete_all = walked(asynchronous.FleetAdmin.delete_all)
    pause_all = walked(asynchronous.FleetAdmin.pause_all)
    resume_all = walked(asynchronous.FleetAdmin.resume_all)
    pause = twin(asynchronous.FleetAdmin.pause)
    resume = twin(asynchronous.FleetAdmin.resume)
    pause_flow = twin(asynchronous.FleetAdmin.pause_flow)
    resume_flow = twin(asynchronous.FleetAdmin.resume_flow)
    pause_mob = twin(asynchronous.FleetAdmin.pause_mob)
    resume_mob = twin(asynchronous.FleetAdmin.resume_mob)
    pauses = twin(asynchronous.FleetAdmin.pauses)
    fork = twin(asynchronous.FleetAdmin.fork)
    unfinished_deletions = twin(asynchronous.FleetAdmin.unfinished_deletions)
    describe = twin(asynchronous.FleetAdmin.describe)
    tail = followed(asynchronous.FleetAdmin.tail)
    watch = followed(asynchronous.FleetAdmin.watch)
    set_retention = twin(asynchronous.FleetAdmin.set_retention)
    clear_retention = twin(asynchronous.FleetAdmin.clear_retention)
    get_retention = twin(asynchronous.FleetAdmin.get_retention)
    retention = twin(asynchronous.FleetAdmin.retention)
    prune = twin(asynchronous.FleetAdmin.prune)
    stats = twin(asynchronous.FleetAdmin.stats)
    inbox = twin(asynchronous.FleetAdmin.inbox)
    budget = twin(asynchronous.FleetAdmin.budget)
    set_budget = twin(asynchronous.FleetAdmin.set_budget)
    shared_budgets = twin(asynchronous.FleetAdmin.shared_budgets)
    forget_budget = twin(asynchronous.FleetAdmin.forget_budget)
    answer = twin(asynchronous.FleetAdmin.answer)
    workers = twin(asynchronous.FleetAdmin.workers)
    executions_of = twin(asynchronous.FleetAdmin.executions_of)
    queues = twin(asynchronous.FleetAdmin.queues)
    definitions = twin(asynchronous.FleetAdmin.definitions)
    definition = twin(asynchronous.FleetAdmin.definition)
    releases = twin(asynchronous.FleetAdmin.releases)
    move = twin(asynchronous.FleetAdmin.move)
    verify = twin(asynchronous.FleetAdmin.verify)
    verify_all = walked(asynchronous.FleetAdmin.verify_all)
    export = walked(asynchronous.FleetAdmin.export)
    export_all = walked(asynchronous.FleetAdmin.export_all)
    import_runs = walked(asynchronous.FleetAdmin.import_runs)
    schedules = twin(asynchronous.FleetAdmin.schedules)
    schedule = twin(asynchronous.FleetAdmin.schedule)
    unschedule = twin(asynchronous.FleetAdmin.unschedule)
    pause_schedule = twin(asynchronous.FleetAdmin.pause_schedule)
    resume_schedule = twin(asynchronous.FleetAdmin.resume_schedule)
    next_times = twin(asynchronous.FleetAdmin.next_times)
    set_webhook = twin(asynchronous.FleetAdmin.set_webhook)
    webhooks = twin(asynchronous.FleetAdmin.webhooks)
    webhook = twin(asynchronous.FleetAdmin.webhook)
    remove_webhook = twin(asynchronous.FleetAdmin.remove_webhook)
    pause_webhook = twin(asynchronous.FleetAdmin.pause_webhook)
    resume_webhook = twin(asynchronous.FleetAdmin.resume_webhook)
    dead_letters = twin(asynchronous.FleetAdmin.dead_letters)
    redeliver = twin(asynchronous.FleetAdmin.redeliver)
    test_webhook = twin(asynchronous.FleetAdmin.test_webhook)
