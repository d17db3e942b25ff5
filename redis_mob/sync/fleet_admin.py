"""What operators do with a fleet, without async."""

from __future__ import annotations

from redis_mob.codec.arguments import instance
from redis_mob.operations import fleet_admin as asynchronous
from redis_mob.sync.storage import MobStorage
from redis_mob.sync.twins import Facade, twin, walked


class FleetAdmin(Facade[asynchronous.FleetAdmin]):
    """Looks at the runs and workers of a namespace and steers them; takes and raises what the asynchronous one does."""

    def __init__(self, storage: MobStorage) -> None:
        opened = instance("storage", storage, MobStorage)
        super().__init__(opened.loop, asynchronous.FleetAdmin(opened.loop.value))

    workers = twin(asynchronous.FleetAdmin.workers)
    runs = twin(asynchronous.FleetAdmin.runs)
    all_runs = walked(asynchronous.FleetAdmin.all_runs)
    count = twin(asynchronous.FleetAdmin.count)
    find = twin(asynchronous.FleetAdmin.find)
