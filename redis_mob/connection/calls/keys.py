"""The names of all keys and channels of one namespace; nothing else in the library makes up a key, but for those of
runs (run_keys.py) and of the adapters to other libraries (adapter_keys.py).

All keys of a namespace share one hash slot (decision 0001).
"""

from __future__ import annotations

import re

from redis_mob.connection.calls.adapter_keys import (
    ADAPTERS,
    LangGraphKeys,
    PydanticAiKeys,
    sort_of_adapter,
    type_of_adapter,
)
from redis_mob.connection.calls.run_keys import RunKeys
from redis_mob.errors import ValidationError, shown
from redis_mob.models.base import canonical_run_id

_NAMESPACE = re.compile(r"[A-Za-z0-9._:/-]{1,128}")


ANY_META = "{rm:*}:meta"
"""Glob: the `meta` of every namespace."""


def namespace_of_meta(key: bytes) -> str | None:
    """The namespace whose `meta` a key is; None if it is another key."""
    found = re.fullmatch(rb"\{rm:([^}]+)\}:meta", key)
    return None if found is None or _NAMESPACE.fullmatch(name := found[1].decode(errors="replace")) is None else name


class Keys:
    """The keys and channels of one namespace; all carry its hash tag, so that one script may touch any of them.

    A namespace name is 1-128 characters of `A-Z a-z 0-9 . _ : / -`; raises ValidationError for any other.
    """

    def __init__(self, namespace: str) -> None:
        if not isinstance(namespace, str) or _NAMESPACE.fullmatch(namespace) is None:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValidationError(
                f"{shown(namespace)} is no name for a namespace: use 1 to 128 characters of A-Z a-z 0-9 . _ : / -"
            )
        self.namespace = namespace
        # in braces, so that a Cluster keeps all keys in one hash slot and one script may touch any of them
        tag = f"{{rm:{namespace}}}:"
        self._tag = tag
        self.pattern = f"{tag}*"
        """Glob: all keys and channels of the namespace, and no others."""
        self.meta = f"{tag}meta"
        """Hash: schema version, creation time, counters of events, runs and config changes, counts of records."""
        self.seal_keys = f"{tag}seal_keys"
        """Set: the ids of the seal keys without which the namespace cannot be read."""
        self.seal_key_checks = f"{tag}seal_keys:checks"
        """Hash: a value derived from each of these keys, by which another key of the same id is recognized."""
        self.runs = f"{tag}runs"
        """Sorted set: a member for each run, made of mob, flow, sequence of creation and id, in lexical order."""
        self.runs_by_status = f"{tag}runs:by_status"
        """Sorted set in lexical order, an index made of the runs: status, sequence of creation and id of each."""
        self.by_attribute = f"{tag}runs:by_attribute"
        """Sorted set in lexical order, an index made of the runs: name and value of an attribute, sequence and id."""
        self.events = f"{tag}events"
        """Stream: the event log; the id of an entry is `<cursor>-0`."""
        self.events_index = f"{tag}events:index"
        """Hash: identities of terminal and other once-only events."""
        self.events_by_time = f"{tag}events:by_time"
        """Sorted set: the cursors in the order of their timestamps, for pruning."""
        self.specs = f"{tag}specs"
        """Hash: the definition of each mob, with its revision."""
        self.spec_revisions = f"{tag}specs:revisions"
        """Hash: the last revision that the spec of each mob had, deleted ones included."""
        self.supervisors = f"{tag}supervisors"
        """Hash: the authority of each mob's supervisor, sealed if there is a key."""
        self.overlays = f"{tag}overlays"
        """Hash: the overlays, by mob, agent identity and generation."""
        self.overlay_places = f"{tag}overlays:places"
        """Sorted set: a member for each overlay, made of mob, agent identity and generation, in lexical order."""
        self.profiles = f"{tag}profiles"
        """Hash: the realm profiles by name, each with its revision and times."""
        self.profile_revisions = f"{tag}profiles:revisions"
        """Hash: the last revision that each realm profile had, deleted ones included."""
        self.config_documents = f"{tag}config:documents"
        """Hash: the config documents, JSON text by namespace and id (see codec/config)."""
        self.config_versions = f"{tag}config:versions"
        """Hash: revision and time of writing of each config document."""
        self.config_history = f"{tag}config:history"
        """Hash: past versions of the config documents, and how many there ever were."""
        self.config_ids = f"{tag}config:ids"
        """Sorted set: namespace and id of each config document, in lexical order."""
        self.config_tokens = f"{tag}config:tokens"
        """Hash: the cursor of the last change in each config namespace."""
        self.config_feed = f"{tag}config:feed"
        """Stream: the newest changes of config documents; the id of an entry is `<cursor>-0`."""
        self.definitions = f"{tag}definitions"
        """Hash: the definitions that runs were started with, by their digest."""
        self.due = f"{tag}due"
        """Sorted set: when to look at which active run again, in milliseconds of the server's clock."""
        self.ready = f"{tag}ready"
        """Sorted set: before when which execution is not taken, in milliseconds of the fleet's clock."""
        self.queued = f"{tag}queued"
        """Sorted set in lexical order: where each execution waits, or which worker holds it (lua/lib/schedule)."""
        self.lost = f"{tag}lost"
        """Hash: how executions were lost that wait for another worker."""
        self.workers = f"{tag}workers"
        """Sorted set: the workers by the end of their leases, in milliseconds of the fleet's clock."""
        self.turns = f"{tag}turns"
        """Hash: from which run of each queue something was taken last, so that all runs get their turn."""
        self.limits = f"{tag}limits"
        """Hash: how many executions of each role that has a limit may be under way."""
        self.gated = f"{tag}gated"
        """Sorted set in lexical order: executions that have limits of their own, where they wait and what they count
        against, and when others have begun (lua/lib/gates)."""
        self.gate_times = f"{tag}gated:times"
        """Sorted set: when rates have room again, in milliseconds of the fleet's clock."""
        self.deletions = f"{tag}deletions"
        """Hash: since when the runs are deleted of which something is left, in microseconds."""
        self.retention = f"{tag}retention"
        """Hash: the policies by which runs and events are deleted, and which worker enforces them now."""
        self.schedules = f"{tag}schedules"
        """Hash: the schedules of flows by name, each with its revision and the digest of its definition."""
        self.scheduled = f"{tag}schedules:due"
        """Sorted set: when each schedule is due, in milliseconds of the fleet's clock."""
        self.schedule_definitions = f"{tag}schedules:definitions"
        """Sorted set in lexical order: digest of the definition and name of each schedule."""
        self.pauses = f"{tag}pauses"
        """Hash: the flows and mobs that are paused, since when and why; see lua/lib/pauses."""
        self.webhooks = f"{tag}webhooks"
        """Hash: the webhooks by name, each with its revision."""
        self.webhook_secrets = f"{tag}webhooks:secrets"
        """Hash: what each webhook signs with, sealed if there is a key."""
        self.webhook_progress = f"{tag}webhooks:progress"
        """Hash: how far each webhook is, and which worker delivers it now."""
        self.dead_letters = f"{tag}webhooks:dead"
        """Sorted set in lexical order: the events that each webhook could not deliver (lua/lib/webhook_records)."""
        self.debounces = f"{tag}debounces"
        """Hash: the run of each debounce key that has not begun, and when it was started first (lua/lib/debounces)."""
        self.asks = f"{tag}asks"
        """Sorted set in lexical order: where each ask is that waits for an answer (lua/lib/asks)."""
        self.conversing = f"{tag}conversing"
        """Sorted set in lexical order: the runs of conversations that are not over (lua/lib/conversations)."""
        self.conversations = f"{tag}conversations"
        """Sorted set: the ids of conversations by when each expires, in milliseconds of the fleet's clock."""
        self.budgets = f"{tag}budgets"
        """Hash: the accounts of shared budgets, by mob, name and key (lua/lib/budgets)."""
        self.reservations = f"{tag}budgets:reserved"
        """Hash: what calls of handlers that are under way have put aside of budgets."""
        self.model_usage = f"{tag}models:used"
        """Hash: what calls have used in all, by mob, flow, model and currency (codec/model_usage.py)."""
        self.host_fence = f"{tag}host:fence"
        """Hash: the highest token of the host store's fence, the end of its lease, the number of commits."""
        self.host_scopes = f"{tag}host:scopes"
        """Hash: version, visible rows and last commit of each scope of the host store (lua/lib/host_scopes)."""
        self.host_heads = f"{tag}host:heads"
        """Hash: the head of each of these scopes."""
        self.host_names = f"{tag}host:names"
        """Sorted set in lexical order: kind and name of each of these scopes."""
        self.host_rows = f"{tag}host:rows"
        """Hash: the rows of these scopes, by scope and index."""
        self.host_commits = f"{tag}host:commits"
        """Hash: the newest commits of the host store by id, and the digest of what each said."""
        self.host_order = f"{tag}host:order"
        """Sorted set: these commits, and the scopes that they deleted, by the number of the commit."""
        self.records = f"{tag}records"
        """Hash: generic records, by collection and key (codec/records.py)."""
        self.record_places = f"{tag}records:places"
        """Sorted set in lexical order: collection and key of each generic record."""
        self.changes = f"{tag}changes"
        """Hash, only while a backup follows what is written: what is to be read again (lua/lib/change_tracking)."""
        self.changes_aside = f"{self.changes}:aside"
        """Hash, only while a backup is under way: those of the changes that it reads now."""
        self.wake_events = f"{tag}wake:events"
        """Channel: something was appended to the event log."""
        self.wake_config = f"{tag}wake:config"
        """Channel: a config document changed."""
        self.wake_runs = f"{tag}wake:runs"
        """Channel: some run changed."""
        self.wake_progress = f"{tag}wake:progress"
        """Channel: handlers of some run have told something."""
        self.wake_budgets = f"{tag}wake:budgets"
        """Channel: an account of a budget has room again."""
        self.langgraph = LangGraphKeys(tag)
        self.pydantic_ai = PydanticAiKeys(tag)
        self._run_prefix = f"{tag}run:"
        self._session_prefix = f"{tag}session:"
        self._conversation_prefix = f"{tag}conversation:"

    def __repr__(self) -> str:
        return f"Keys({self.namespace!r})"

    @property
    def fixed(self) -> list[str]:
        """All keys but those of single runs and sessions, and of the adapters."""
        return [
            self.meta,
            self.seal_keys,
            self.seal_key_checks,
            self.runs,
            self.runs_by_status,
            self.by_attribute,
            self.events,
            self.events_index,
            self.events_by_time,
            self.specs,
            self.spec_revisions,
            self.supervisors,
            self.overlays,
            self.overlay_places,
            self.profiles,
            self.profile_revisions,
            self.config_documents,
            self.config_versions,
            self.config_history,
            self.config_ids,
            self.config_tokens,
            self.config_feed,
            self.definitions,
            self.due,
            self.ready,
            self.queued,
            self.lost,
            self.workers,
            self.turns,
            self.limits,
            self.deletions,
            self.retention,
            self.schedules,
            self.scheduled,
            self.schedule_definitions,
            self.pauses,
            self.webhooks,
            self.webhook_secrets,
            self.webhook_progress,
            self.dead_letters,
            self.gated,
            self.gate_times,
            self.debounces,
            self.asks,
            self.conversing,
            self.conversations,
            self.budgets,
            self.reservations,
            self.model_usage,
            self.host_fence,
            self.host_scopes,
            self.host_heads,
            self.host_names,
            self.host_rows,
            self.host_commits,
            self.host_order,
            self.records,
            self.record_places,
        ]

    def named(self, name: str) -> str:
        """The key with this name after the tag, one of those in `fixed`."""
        return f"{self._tag}{name}"

    def suffix(self, key: bytes) -> str:
        """The name of a key after the tag."""
        return key.decode(errors="surrogateescape").removeprefix(self._tag)

    def sort_of(self, key: bytes) -> str | None:
        """Of a key that each run has the name of the part, `run` for its hash; `session`, `conversation` and
        `conversation:items`; of a key of an adapter its sort; None for all others."""
        first, _, rest = key.decode(errors="replace").removeprefix(self._tag).partition(":")
        if first not in ("run", "session", "conversation", *ADAPTERS) or not key.startswith(self._tag.encode()):
            return None
        if first in ADAPTERS:
            return sort_of_adapter(first, rest)
        part = rest.partition(":")[2]
        if first == "conversation":
            return f"{first}:{part}" if part else first
        return (part or first) if first == "run" else first

    @property
    def channels(self) -> list[str]:
        """All channels."""
        return [self.wake_events, self.wake_config, self.wake_runs, self.wake_progress, self.wake_budgets]

    def session(self, client: str) -> str:
        """Hash, which expires: the receipts of the last calls of a client."""
        return f"{self._session_prefix}{client}"

    def conversation(self, digest: str) -> str:
        """Hash, which expires: what a conversation has beside its history, by the digest of its id."""
        return f"{self._conversation_prefix}{digest}"

    def conversation_items(self, digest: str) -> str:
        """Stream, which expires: the history of a conversation; the id of an item is `0-<number>`."""
        return f"{self._conversation_prefix}{digest}:items"

    def run(self, run_id: str) -> RunKeys:
        """The keys of a run, whose id is accepted in any spelling of a UUID; raises ValidationError for other text."""
        try:
            return RunKeys(self._run_prefix, canonical_run_id(run_id))
        except ValueError as error:
            raise ValidationError(f"a run is named by its id: {error}") from None


_LISTS_OF_RUN = ("steps", "failures", "iterations", "authority", "cursors", "deleted_cursors")
_OF_RUN = {**dict.fromkeys(_LISTS_OF_RUN, "list"), "progress": "stream"}
_TYPES = {
    "events": "stream",
    "config:feed": "stream",
    **dict.fromkeys(("runs", "runs:by_status", "runs:by_attribute", "events:by_time"), "zset"),
    **dict.fromkeys(("overlays:places", "config:ids"), "zset"),
    **dict.fromkeys(("due", "ready", "queued", "workers", "schedules:due", "schedules:definitions"), "zset"),
    **dict.fromkeys(("webhooks:dead", "records:places"), "zset"),
    **dict.fromkeys(("gated", "gated:times", "asks", "conversing", "conversations"), "zset"),
    **dict.fromkeys(("host:names", "host:order"), "zset"),
    "seal_keys": "set",
}


def type_of_key(key: str) -> str:
    """The type that a key of a namespace has, in the words of the command TYPE."""
    name = key.partition("}:")[2]
    if name.startswith("run:"):
        return _OF_RUN.get(name.rpartition(":")[2], "hash")
    if name.partition(":")[0] in ADAPTERS:
        return type_of_adapter(name)
    if name.startswith("conversation:"):
        return "stream" if name.endswith(":items") else "hash"
    return _TYPES.get(name, "hash")
