"""The duty of a worker that delivers webhooks: of all workers of a namespace one at a time has the turn at each."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from redis_mob.codec.webhooks import webhook_named
from redis_mob.errors import MobStoreError
from redis_mob.host_environment import environment
from redis_mob.models.webhook import StoredWebhook
from redis_mob.notifications.duty_trouble import DutyTrouble
from redis_mob.notifications.waiting import wait_for_news
from redis_mob.storage import MobStorage
from redis_mob.webhooks.delivery import Delivery
from redis_mob.webhooks.targets import VARIABLE, Targets
from redis_mob.webhooks.timing import Timing
from redis_mob.webhooks.turn import Turn, turn_length

if TYPE_CHECKING:
    from redis_mob.webhooks.sending import Sender

NEEDED = "webhooks need httpx, which is not installed: pip install 'redis-mob[http]'"

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _UnderWay:
    delivery: Delivery
    task: asyncio.Task[None]


class WebhookDuty:
    """Delivers the webhooks of a namespace. Without one it looks once a minute whether there is one, and when it
    hears so.

    Raises ValidationError if the environment says where to post in words that are not known.
    """

    def __init__(self, storage: MobStorage, *, timing: Timing | None = None, random: Random | None = None) -> None:
        self._storage = storage
        self._timing = timing or Timing()
        self._random = random or Random()  # noqa: S311  # spreads attempts, guards nothing
        self._targets = Targets.of_environment()
        self._holder = environment().new_id().hex
        self._under_way: dict[str, _UnderWay] = {}
        self._trouble = DutyTrouble(_log, "deliver webhooks")
        self._ended = asyncio.Event()
        self._had = set[str]()
        """At which webhooks this worker has had a turn: it may go on with one that it has not given back."""

    async def run(self, stop: asyncio.Event, worker: str) -> None:
        """Deliver until `stop` is set, for the worker of this name. Errors are told in the log, once each time."""
        if self._targets is Targets.OFF:
            _log.info("worker %s delivers no webhooks: %s is %s", worker, VARIABLE, Targets.OFF)
            return
        try:
            while not stop.is_set():
                try:
                    async with self._storage.webhooks.listen() as wake_up:
                        while not stop.is_set():
                            pause, trouble = await self._look()
                            self._trouble.tell(worker, trouble)
                            await wait_for_news(wake_up, (stop, self._ended), pause)
                            self._ended.clear()
                except Exception as error:  # noqa: BLE001 - a fault of this duty must not end the worker
                    self._trouble.tell_error(worker, error)
                    await asyncio.sleep(self._timing.trouble)
        finally:
            for one in self._under_way.values():
                one.delivery.end()
            await asyncio.gather(*(one.task for one in self._under_way.values()), return_exceptions=True)

    async def _look(self) -> tuple[float, str | None]:
        """Begin and end deliveries; when to look again, and what is wrong."""
        found = await self._storage.webhooks.list()
        trouble = list(found.unreadable)
        for name, one in [*self._under_way.items()]:
            if one.task.done():
                del self._under_way[name]
                error = None if one.task.cancelled() else one.task.exception()
                if error is not None:
                    trouble.append(
                        f"{webhook_named(name)}: {error if isinstance(error, MobStoreError) else repr(error)}"
                    )
        wanted = {stored.webhook.name: stored for stored in found.webhooks if not stored.webhook.paused}
        for name, one in self._under_way.items():
            if name not in wanted or wanted[name].revision != one.delivery.revision:
                one.delivery.end()
        for name, stored in wanted.items():
            if name not in self._under_way and (refused := await self._begin(stored)) is not None:
                trouble.append(refused)
        said = "; ".join(dict.fromkeys(trouble)) or None
        return (self._timing.look if wanted else self._timing.idle), said

    async def _begin(self, stored: StoredWebhook) -> str | None:
        """Take the turn at a webhook, if it is free, and deliver it; why that cannot be, if it cannot."""
        webhook = stored.webhook
        try:
            from redis_mob.webhooks.sending import Sender
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("redis_mob"):
                raise
            return NEEDED
        taken_at = asyncio.get_running_loop().time()
        if stored.turn_until is not None and webhook.name not in self._had:
            return None  # it is another worker's
        length = turn_length(webhook.timeout, self._timing)
        turn = await self._storage.webhooks.take_turn(webhook.name, self._holder, length)
        if turn is None:
            return None
        self._had.add(webhook.name)
        sender = Sender(self._storage.namespace, webhook, stored.secret, self._targets)
        held = Turn(self._storage, stored, turn, taken_at=taken_at, holder=self._holder, timing=self._timing)
        delivery = Delivery(self._storage, held, sender, self._random)
        task = asyncio.create_task(_delivered(sender, delivery), name=f"redis_mob webhook {webhook.name}")
        task.add_done_callback(lambda _: self._ended.set())
        self._under_way[webhook.name] = _UnderWay(delivery, task)
        return None


async def _delivered(sender: Sender, delivery: Delivery) -> None:
    async with sender:
        await delivery.run()
