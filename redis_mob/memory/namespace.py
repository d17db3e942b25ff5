"""What a namespace holds, and which storages have it open."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from redis_mob.errors import InternalError
from redis_mob.memory.clock import Clock
from redis_mob.memory.config_documents import ConfigDocuments
from redis_mob.memory.event_log import EventLog
from redis_mob.memory.flow_schedules import FlowSchedules
from redis_mob.memory.host_realm import HostRealm
from redis_mob.memory.kept_webhooks import KeptWebhooks
from redis_mob.memory.revisions import RevisedDocuments
from redis_mob.memory.run_progress import RunProgress
from redis_mob.memory.schedule import Schedule
from redis_mob.memory.wake_ups import MemoryWakeUps
from redis_mob.models import MobRun
from redis_mob.models.conversation import Turn
from redis_mob.models.execution import Execution, ExecutionKey, ItemProgress, RunLaunch
from redis_mob.models.labels import Labels
from redis_mob.models.pause import Pause
from redis_mob.models.signal import Signal
from redis_mob.models.subflow import ParentRun
from redis_mob.models.transition import NodeKey

if TYPE_CHECKING:
    from redis_mob.memory.conversations import KeptConversation


@dataclass(slots=True)
class Mailbox:
    """What was sent to one run from outside, and what it has published."""

    sent: int = 0
    """How many signals there ever were: the number of the last one."""
    waiting: dict[int, Signal] = field(default_factory=dict[int, Signal])
    """Signals that no step has taken, by number."""
    receipts: dict[str, tuple[int, str]] = field(default_factory=dict[str, tuple[int, str]])
    """By idempotency key: the number of a signal, and what is equal for equal ones."""
    told: set[str] = field(default_factory=set[str])
    """The children of whose end the run was told."""
    published: dict[str, bytes] = field(default_factory=dict[str, bytes])


class Namespace:
    """The content of one namespace, shared by all storages that have it open.

    Nothing in it is changed in place but its own containers: a run is replaced by its next state, as a whole.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.clock = Clock()
        self.log = EventLog()
        self.runs: dict[str, MobRun] = {}
        """In the order of their creation."""
        self.created_runs = 0
        self.sequences: dict[str, int] = {}
        """The number of each run in this order."""
        self.launches: dict[str, tuple[RunLaunch, datetime]] = {}
        """What the runs of a fleet were started with, and when."""
        self.parents: dict[str, ParentRun] = {}
        """What the runs of steps know of their parents."""
        self.untold: set[str] = set()
        """Runs of steps whose end their parents were not told."""
        self.labels: dict[str, Labels] = {}
        """Attributes and summary of each run that has any."""
        self.cancel_requested: set[str] = set()
        self.executions: dict[str, dict[ExecutionKey, Execution]] = {}
        self.item_progress: dict[str, dict[NodeKey, ItemProgress]] = {}
        """How far the nodes of each run are whose steps have `for_each`."""
        self.items: dict[str, dict[NodeKey, bytes]] = {}
        self.ended: dict[str, dict[ExecutionKey, Execution]] = {}
        """The executions of items that are over."""
        self.definitions: dict[str, bytes] = {}
        self.tombstones: dict[str, datetime] = {}
        """Until when the ids of deleted runs are not started again."""
        self.due_runs: dict[str, datetime] = {}
        """When to look at which active run again."""
        self.reported_runs: dict[str, datetime] = {}
        """When runs became due because something was reported of them: they are left to their leaders for a moment."""
        self.runs_in_hand: set[str] = set()
        """Runs that a worker has taken: until the time of their entry they are not due for others."""
        self.decisions: Counter[str] = Counter()
        """How many decisions there were on each run: its version."""
        self.reports: Counter[str] = Counter()
        """How many outcomes and signals have come to each run without a decision."""
        self.moves: Counter[str] = Counter()
        """How often each run was given to another release."""
        self.debounces: dict[str, tuple[str, datetime]] = {}
        """By digest of a debounce key: its run that has not begun, and when that was started first."""
        self.debounced: dict[str, str] = {}
        """The digest of the key of each of these runs."""
        self.checkpoints: defaultdict[str, dict[bytes, bytes]] = defaultdict(dict)
        """The checkpoints of each run, by field."""
        self.run_budgets: defaultdict[str, dict[bytes, bytes]] = defaultdict(dict)
        """The accounts of each run and its roles, by field."""
        self.shared_budgets: dict[bytes, bytes] = {}
        """The accounts of shared budgets."""
        self.reservations: dict[bytes, bytes] = {}
        """What calls under way have put aside of budgets."""
        self.budget_wake_ups = MemoryWakeUps()
        self.model_usage: dict[bytes, bytes] = {}
        """What calls have used in all."""
        self.asks: set[bytes] = set()
        """The places of asks that wait for an answer."""
        self.answers: defaultdict[str, dict[bytes, str]] = defaultdict(dict)
        """Of each run by receipt: what equals the answer that was given."""
        self.conversations: dict[str, KeptConversation] = {}
        """By id, those too whose time is over."""
        self.turns: dict[str, Turn] = {}
        """Of each run that was started in a conversation."""
        self.rolled_back: set[str] = set()
        """Runs whose items are taken back when they end."""
        self.changes: defaultdict[str, dict[bytes, tuple[str, bytes]]] = defaultdict(dict)
        """By run and field: the identity of a change of the history, and what it has popped."""
        self.mailboxes: defaultdict[str, Mailbox] = defaultdict(Mailbox)
        self.paused_runs: dict[str, Pause] = {}
        self.pauses: dict[tuple[str, str | None], Pause] = {}
        """The flows that are paused, and the mobs, which have no flow here."""
        self.schedule = Schedule(lambda mob_id: (mob_id, None) in self.pauses)
        self.flow_schedules = FlowSchedules()
        self.run_wake_ups = MemoryWakeUps()
        self.progress: dict[str, RunProgress] = {}
        """What handlers of each run have told."""
        self.progress_wake_ups = MemoryWakeUps()
        self.specs = RevisedDocuments()
        self.profiles = RevisedDocuments()
        self.profile_times: dict[bytes, tuple[datetime, datetime]] = {}
        """When each realm profile was created and updated."""
        self.supervisors: dict[bytes, bytes] = {}
        self.overlays: dict[bytes, bytes] = {}
        self.records: dict[bytes, tuple[str, bytes]] = {}
        """Generic records by place: the collection and the value of each."""
        self.config = ConfigDocuments()
        self.retention: dict[bytes, bytes] = {}
        """The policies of retention."""
        self.retention_turn: tuple[str, datetime] = ("", datetime.min.replace(tzinfo=UTC))
        """Who enforces them, and until when."""
        self.webhooks = KeptWebhooks()
        self.host = HostRealm()
        self.opened: set[Access] = set()

    def pauses_of(self, run: MobRun) -> tuple[Pause, ...]:
        """By which a run is paused: by itself, its flow, its mob."""
        found = (
            self.paused_runs.get(run.run_id),
            self.pauses.get((run.mob_id, run.flow_id)),
            self.pauses.get((run.mob_id, None)),
        )
        return () if run.status.is_terminal else tuple(pause for pause in found if pause is not None)

    def is_aside(self, run: MobRun) -> bool:
        """Whether what a run has waiting is put aside; if only its mob is paused, it stays in its queues."""
        return run.run_id in self.paused_runs or (run.mob_id, run.flow_id) in self.pauses

    def add_run(self, run: MobRun) -> None:
        """A new run, behind all others."""
        self.runs[run.run_id] = run
        self.sequences[run.run_id] = self.created_runs = self.created_runs + 1

    def report(self, run_id: str) -> None:
        """Make a run due because something was reported of it, unless a worker has it in hand, which will see that."""
        now = self.clock.now()
        if run_id not in self.runs_in_hand or self.due_runs.get(run_id, now) <= now:
            self.due_runs[run_id] = self.reported_runs[run_id] = now


_OPEN: dict[str, Namespace] = {}


def move_clocks(loop: asyncio.AbstractEventLoop, by: timedelta) -> None:
    """Let so much time have passed for all namespaces that are open in an event loop."""
    for namespace in _OPEN.values():
        if any(access.loop is loop for access in namespace.opened):
            namespace.clock.move(by)


class Access:
    """One opening of a namespace. The last one that is closed takes the content with it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.loop = asyncio.get_running_loop()
        self._namespace = _OPEN.setdefault(name, Namespace(name))
        self._namespace.opened.add(self)

    @property
    def content(self) -> Namespace:
        """The content, as long as this access is open. Raises InternalError after that, and in another event loop."""
        if self not in self._namespace.opened:
            raise InternalError("this storage was closed; open a new one")
        if asyncio.get_running_loop() is not self.loop:
            raise InternalError("this storage was opened in another event loop; open one in each loop")
        return self._namespace

    def close(self) -> None:
        """End this access; a reader that waits through it is woken and told. Calling it again does nothing.

        Raises InternalError in another event loop: readers wait in the one that this was opened in.
        """
        namespace = self._namespace
        if self not in namespace.opened:
            return
        if asyncio.get_running_loop() is not self.loop:
            raise InternalError("this storage was opened in another event loop; close it there")
        namespace.opened.remove(self)
        for wake_ups in (
            namespace.log.wake_ups,
            namespace.config.feed.wake_ups,
            namespace.run_wake_ups,
            namespace.progress_wake_ups,
            namespace.budget_wake_ups,
        ):
            wake_ups.send()
        if not namespace.opened:
            del _OPEN[self.name]
