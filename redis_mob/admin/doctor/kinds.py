"""The kinds of keys that a namespace has, and what keeps each of them from growing for ever."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from redis_mob.codec.webhooks import MOST_DEAD
from redis_mob.connection.calls.sessions import LIFETIME
from redis_mob.contracts.config import FEED_LENGTH
from redis_mob.models.host import REMEMBERED_COMMITS
from redis_mob.models.progress import MOST_BYTES_OF_RUN, MOST_ENTRIES
from redis_mob.models.retention import RetentionPolicies
from redis_mob.models.retention_text import bound_of_runs, text_of_events

Bound = Callable[[RetentionPolicies], str | None]


@dataclass(frozen=True, slots=True)
class Kind:
    """Keys that grow alike: those that a namespace has once, and the sorts of those that each run or client has.

    Names and sorts are those of `connection/calls/keys`. `bound` says what bounds them, None if nothing does; then
    `change` is what would.
    """

    name: str
    bound: Bound
    fixed: tuple[str, ...] = ()
    sorts: tuple[str, ...] = ()
    change: str = ""


def _always(text: str) -> Bound:
    return lambda _: text


def _events(policies: RetentionPolicies) -> str | None:
    return None if policies.general is None else text_of_events(policies.general) or None


def _identities(policies: RetentionPolicies) -> str | None:
    return None if bound_of_runs(policies) is None else "deleted with their runs"


_OF_RUNS = "redis-mob retention set --completed 7d --failed 30d --canceled 7d"

KINDS = (
    Kind(
        "runs",
        bound_of_runs,
        ("runs", "runs:by_status", "runs:by_attribute"),
        (
            "run",
            "frames",
            "loops",
            "outputs",
            "steps",
            "step_outputs",
            "failures",
            "iterations",
            "authority",
            "index",
            "executions",
            "published",
            "cursors",
        ),
        _OF_RUNS,
    ),
    Kind(
        "progress",
        _always(f"{MOST_ENTRIES} entries or {MOST_BYTES_OF_RUN // 2**20} MiB of a run, kept for a day"),
        sorts=("progress",),
    ),
    Kind(
        "events",
        _events,
        ("events", "events:by_time"),
        change="redis-mob retention set --events 30d --max-events 1000000",
    ),
    Kind("identities of events", _identities, ("events:index",), change=_OF_RUNS),
    Kind("definitions", _always("deleted with their last runs and schedules"), ("definitions",)),
    Kind(
        "deletions",
        _always("gone when they are done, within a minute where there are workers"),
        ("deletions",),
        ("deletion", "deleted_cursors"),
    ),
    Kind("ids of deleted runs", _always("expire after --keep-key, or delete --keep-id"), sorts=("tombstone",)),
    Kind("receipts", _always(f"expire {LIFETIME / 60:g} minutes after their clients have ended"), sorts=("session",)),
    Kind(
        "work",
        _always("the runs that are under way"),
        (
            "due",
            "ready",
            "queued",
            "gated",
            "gated:times",
            "lost",
            "turns",
            "debounces",
            "workers",
            "asks",
            "conversing",
            "budgets:reserved",
        ),
    ),
    Kind(
        "conversations",
        _always("their bounds, and a time after the last activity"),
        ("conversations",),
        ("conversation", "conversation:items"),
    ),
    Kind("usage of models", _always("one record for each flow and model"), ("models:used",)),
    Kind("shared budgets", _always("one account for each key, until you forget it"), ("budgets",)),
    Kind(
        "documents",
        _always("what you store, until you delete it"),
        (
            "specs",
            "specs:revisions",
            "profiles",
            "profiles:revisions",
            "supervisors",
            "overlays",
            "overlays:places",
            "config:documents",
            "config:versions",
            "config:ids",
            "config:tokens",
            "records",
            "records:places",
        ),
    ),
    Kind("past versions", _always("20 of each config document"), ("config:history",)),
    Kind("config feed", _always(f"the newest {FEED_LENGTH} changes"), ("config:feed",)),
    Kind("schedules", _always("what you create"), ("schedules", "schedules:due", "schedules:definitions")),
    Kind(
        "webhooks",
        _always(f"what you create, and {MOST_DEAD} dead letters of each"),
        ("webhooks", "webhooks:secrets", "webhooks:progress", "webhooks:dead"),
    ),
    Kind(
        "scopes of a host",
        _always("what its writer commits, until it deletes it"),
        ("host:scopes", "host:heads", "host:names", "host:rows", "host:fence"),
    ),
    Kind("commits of a host", _always(f"the newest {REMEMBERED_COMMITS}"), ("host:commits", "host:order")),
    Kind(
        "threads of LangGraph",
        _always("what you delete or prune; with RedisMobSaver(ttl=...) the last writes"),
        sorts=("langgraph:threads", "langgraph:expiry", "langgraph:runs", "langgraph:places", "langgraph:records"),
    ),
    Kind(
        "items of LangGraph",
        _always("what you put, until you delete it or its ttl ends"),
        sorts=("langgraph:items", "langgraph:item_places", "langgraph:item_expiry"),
    ),
    Kind(
        "runs of agents",
        _always("what you forget or delete; with a ttl the last writes"),
        sorts=(
            "pydantic_ai:runs",
            "pydantic_ai:run_places",
            "pydantic_ai:expiry",
            "pydantic_ai:records",
            "pydantic_ai:events",
            "pydantic_ai:snapshots",
        ),
    ),
    Kind(
        "settings",
        _always("what you set"),
        ("meta", "seal_keys", "seal_keys:checks", "retention", "limits", "pauses"),
    ),
)
"""All of them, those first that grow with the work that is done."""
