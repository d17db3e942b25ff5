"""The names of the keys that adapters to other libraries have in a namespace.

What stands there is no part of runs: no schedule, no count and no index of theirs knows it (decision 0046).
"""

from __future__ import annotations

ADAPTERS = ("langgraph", "pydantic_ai")
"""What their keys begin with after the tag."""


class LangGraphKeys:
    """The keys of what LangGraph keeps in a namespace: its threads, and the items of its store."""

    __slots__ = ("_prefix", "expiry", "item_expiry", "item_places", "items", "runs", "threads")

    def __init__(self, tag: str) -> None:
        self._prefix = prefix = f"{tag}langgraph:"
        self.threads = f"{prefix}threads"
        """Sorted set in lexical order: the ids of the threads."""
        self.expiry = f"{prefix}expiry"
        """Sorted set: when each thread that expires is gone, in milliseconds of the server's clock."""
        self.runs = f"{prefix}runs"
        """Sorted set in lexical order: which threads have checkpoints of a run, and the runs of each thread."""
        self.items = f"{prefix}items"
        """Hash: the items of the store, by place."""
        self.item_places = f"{prefix}item_places"
        """Sorted set in lexical order: the places of the items, made of namespace and key."""
        self.item_expiry = f"{prefix}item_expiry"
        """Sorted set: when each item that expires is gone, in milliseconds of the server's clock."""

    def thread(self, digest: str) -> tuple[str, str]:
        """The keys of a thread, which is known by a digest of its id: a sorted set, its places, and a hash, its records
        (lua/lib/langgraph_threads)."""
        return f"{self._prefix}thread:{digest}:places", f"{self._prefix}thread:{digest}:records"


class PydanticAiKeys:
    """The keys of what agents of pydantic-ai keep in a namespace outside of runs of a fleet."""

    __slots__ = ("_prefix", "expiry", "run_places", "runs")

    def __init__(self, tag: str) -> None:
        self._prefix = prefix = f"{tag}pydantic_ai:"
        self.runs = f"{prefix}runs"
        """Hash: the runs of agents by their ids, each behind its places."""
        self.run_places = f"{prefix}run_places"
        """Sorted set in lexical order: the runs by the times of their beginnings, those of a conversation, and those
        that another one has begun."""
        self.expiry = f"{prefix}expiry"
        """Sorted set: when each run that expires is gone, in milliseconds of the server's clock."""

    def run(self, digest: str) -> list[str]:
        """The keys of a run, which is known by a digest of its id: a hash, its records, and two lists, its events and
        its snapshots (lua/lib/pydantic_ai_runs)."""
        return [f"{self._prefix}run:{digest}:{part}" for part in ("records", "events", "snapshots")]


def sort_of_adapter(adapter: str, rest: str) -> str:
    """The sort of a key of an adapter: its name, and of a thread or a run the name of the part."""
    return f"{adapter}:{rest.rpartition(':')[2]}"


_TYPES = {
    **dict.fromkeys(("langgraph:items", "langgraph:records", "pydantic_ai:runs", "pydantic_ai:records"), "hash"),
    **dict.fromkeys(("pydantic_ai:events", "pydantic_ai:snapshots"), "list"),
}
"""By sort; all others are sorted sets."""


def type_of_adapter(name: str) -> str:
    """The type that a key of an adapter has, whose name after the tag this is."""
    adapter, _, rest = name.partition(":")
    return _TYPES.get(sort_of_adapter(adapter, rest), "zset")
