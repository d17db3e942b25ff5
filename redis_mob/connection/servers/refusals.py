"""What the refusals of a server mean to a reader, in one table, and which of them pass."""

from __future__ import annotations

_NO_PERMISSION = (
    "the user of this URL may not run a command, or touch a key or channel, that redis_mob needs: `redis-mob acl` "
    "prints the rule that suffices, `redis-mob acl --backups` the one for backups, restores and moves, and "
    "`redis-mob doctor` what is missing"
)

_ADVICE = {
    "OOM": "the server has reached its maxmemory and refuses writes: raise maxmemory, or prune and delete what is done",
    "READONLY": "the server is a read-only replica: connect to the primary",
    "NOPERM": _NO_PERMISSION,
    "NOAUTH": "the server asks for a password: give one in the URL, as in redis://user:password@host",
    "WRONGPASS": (
        "the user name or password of this URL is wrong; characters such as / @ # ? % in them are percent-encoded there"
    ),
    "MISCONF": "the server cannot save its data (is the disk full or read-only?) and refuses writes",
    "LOADING": "the server is still loading its data: try again in a moment",
    "BUSY": "the server is busy with a script of another client: try again, or stop it with SCRIPT KILL",
    "MASTERDOWN": "the server is a replica that has lost its primary: connect to the primary",
    "NOREPLICAS": "the server refuses writes because too few of its replicas are connected",
    "MOVED": "another node of the Redis Cluster holds the namespace: use redis+cluster://, or wait until all agree",
    "ASK": "the Redis Cluster is moving this namespace to another node: use redis+cluster://, or wait until it is done",
    "TRYAGAIN": "the Redis Cluster is moving this namespace, and has it on two nodes: try again when it is done",
    "CLUSTERDOWN": "the Redis Cluster cannot serve this namespace now: see CLUSTER INFO on its nodes, and try again",
    "This instance has cluster support disabled": "the server is not part of a Redis Cluster: open it with redis://",
}

_NO_PERMISSION_IN_A_SCRIPT = ("The user executing the script can't", "ACL failure in script")

# OOM and MISCONF are not among them, because they last until an operator acts: waiting would only delay the error
_TRANSIENT = frozenset({"LOADING", "BUSY", "MASTERDOWN", "READONLY", "NOREPLICAS", "TRYAGAIN", "CLUSTERDOWN"})
"""What passes when a server has loaded, a script has ended, a failover is over, or a slot has moved."""


def explain(code: str, text: str) -> str:
    """One sentence on a refusal: what it means and what to do, then the server's own words."""
    # by the text too, because some refusals have no code of their own but ERR
    advice = _ADVICE.get(code) or _ADVICE.get(text)
    # by the text again, since servers give the lack of a right the code ERR within scripts
    if text.startswith(_NO_PERMISSION_IN_A_SCRIPT):
        advice = _NO_PERMISSION
    return f"{advice} ({code} {text})" if advice else f"the server refused: {code} {text}"


def is_transient(code: str) -> bool:
    """Whether the same request may well succeed a moment later."""
    return code in _TRANSIENT
