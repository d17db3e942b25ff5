"""The stores and the fleet without async: for scripts, notebooks, Django.

    from redis_mob.sync import Fleet, MobStorage

    with MobStorage.open("redis://localhost:6379", namespace="hello") as storage:
        fleet = Fleet(storage, definition, handlers={"greeter": greet})
        with fleet.working():
            run = fleet.wait(fleet.start("hello", params={"name": "fleet"}))

`Fleet(storage, mob)` is the fleet of a mob that is written in Python. Each storage has an event loop in a thread of its
own, so that this works where a loop runs already, as in a notebook, and may be called from several threads. A method
means, takes, returns and raises what its asynchronous twin does.
"""

from redis_mob.sync.fleet import Fleet
from redis_mob.sync.fleet_admin import FleetAdmin
from redis_mob.sync.storage import MobStorage

__all__ = ["Fleet", "FleetAdmin", "MobStorage"]
