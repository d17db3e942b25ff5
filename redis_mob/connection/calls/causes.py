"""What messages say of a call that failed, and what its error is raised from."""

from __future__ import annotations

from redis_mob.connection.failures import (
    InDoubtError,
    ServerRefusalError,
    TransportError,
    UnreadableReceiptError,
    UnsettledError,
)
from redis_mob.connection.servers.refusals import explain


def explained(error: TransportError) -> str:
    """Why a call had no effect."""
    if isinstance(error, UnsettledError):
        return f"{explained(error.last)}; given up after several attempts"
    return explain(error.code, error.text) if isinstance(error, ServerRefusalError) else str(error)


def doubt_of(error: InDoubtError) -> str:
    """Why it cannot be known whether a call had an effect."""
    if isinstance(error.doubt, UnreadableReceiptError):
        return str(error)
    return f"the connection was lost after the request was sent ({error})"


def is_unknown_command(error: TransportError) -> bool:
    """Whether the server does not know the command."""
    return isinstance(error, ServerRefusalError) and error.text.lower().startswith("unknown command")


def cause_of(error: TransportError) -> BaseException:
    """What happened to the connection; the error itself if nothing did."""
    return error.__cause__ or error
