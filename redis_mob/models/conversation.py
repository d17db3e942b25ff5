"""Conversations: a name under which runs follow each other, and the history that they share (decision 0048)."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, NamedTuple

from redis_mob.models.base import U64, JsonValue, Model
from redis_mob.models.execution_key import ExecutionKey

DEFAULT_KEEP = timedelta(days=30)
"""How long a conversation is kept after its last activity."""

DEFAULT_ITEMS = 1_000
"""Items of its history."""

DEFAULT_BYTES = 2**20
"""Bytes that its items have together, as JSON."""

MOST_ITEMS = 10_000

MOST_BYTES = 2**24

MOST_APPENDED = 1_000
"""Items that one call may append."""

MOST_WAITING = 1_000
"""Runs of one conversation that may wait for their turn."""

LONGEST_ID = 256
"""Bytes of the id of a conversation, in UTF-8."""


ChangeKind = Literal["append", "pop", "clear"]
"""What is done with a history."""


class OnBusy(StrEnum):
    """What a start does while another run of its conversation is under way (contract: conversation-2).

    `enqueue`: the run begins when all that were started before are over. `reject`: nothing is started. `interrupt`: the
    runs that are under way or wait are canceled, and the new one begins when they are over. `rollback`: likewise, and
    what the active one has appended to the history is taken back.
    """

    ENQUEUE = "enqueue"
    REJECT = "reject"
    INTERRUPT = "interrupt"
    ROLLBACK = "rollback"


class Conversation(NamedTuple):
    """A conversation by its id, and what it is bounded by; None leaves that as it is, or sets the default of a new one.

    It is kept for `keep` after the last activity: 30 days. Its history has at most `max_items` items, 1,000 (at most
    10,000), and `max_bytes` bytes as JSON, 1 MiB (at most 16 MiB): the oldest items go first.
    """

    id: str
    keep: timedelta | None = None
    max_items: int | None = None
    max_bytes: int | None = None


class Turn(NamedTuple):
    """In which conversation a run is, and whether it waits there for its turn."""

    id: str
    waits: bool = False


class ConversationItem(NamedTuple):
    """One item of a history: any JSON, with its number, and when it was appended.

    One that a handler has appended knows the run and its execution, and in which change of that it came; others have
    None and 0.
    """

    number: int
    at: datetime
    value: JsonValue
    run_id: str | None = None
    key: ExecutionKey | None = None
    change: int = 0


class ConversationRecord(Model):
    """What is known of a conversation beside its history (contract: conversation-1).

    `mob_id` and `flow_id` are None until a run was started in it. `active` is the run whose turn it is, `waiting` are
    the first ten behind it, and `runs` counts all of these. `expires_in_ms` is None while a run is under way.
    """

    id: str
    mob_id: str | None = None
    flow_id: str | None = None
    active: str | None = None
    waiting: tuple[str, ...] = ()
    runs: U64 = 0
    items: U64 = 0
    bytes: U64 = 0
    keep_ms: U64
    max_items: U64
    max_bytes: U64
    expires_in_ms: U64 | None = None
