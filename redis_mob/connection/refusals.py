"""What the refusals of a server mean to the person who reads them, in one table."""

from __future__ import annotations

_ADVICE = {
    "OOM": "the server has reached its maxmemory and refuses writes: raise maxmemory, or prune and delete what is done",
    "READONLY": "the server is a read-only replica: connect to the primary",
    "NOPERM": "the user of this URL lacks a permission that redis_mob needs",
    "NOAUTH": "the server asks for a password: give one in the URL, as in redis://user:password@host",
    "WRONGPASS": "the user name or password of this URL is wrong",
    "MISCONF": "the server cannot save its data (is the disk full or read-only?) and refuses writes",
    "LOADING": "the server is still loading its data: try again in a moment",
    "BUSY": "the server is busy with a script of somebody else: try again, or stop it with SCRIPT KILL",
    "MASTERDOWN": "the server is a replica that has lost its primary: connect to the primary",
    "NOREPLICAS": "the server refuses writes because too few of its replicas are connected",
    "MOVED": "the server is a node of a Redis Cluster, which this version does not support: use a single server",
    "ASK": "the server is a node of a Redis Cluster, which this version does not support: use a single server",
    "CLUSTERDOWN": "the server is a node of a Redis Cluster, which this version does not support: use a single server",
}

_TRANSIENT = frozenset({"LOADING", "BUSY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN"})


def explain(code: str, text: str) -> str:
    """One sentence on a refusal: what it means and what to do, then the server's own words."""
    advice = _ADVICE.get(code)
    return f"{advice} ({code} {text})" if advice else f"the server refused: {code} {text}"


def is_transient(code: str) -> bool:
    """Whether the same read may well succeed a moment later."""
    return code in _TRANSIENT
