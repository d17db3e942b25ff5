"""What the server answered to a call of a session: the reply of the operation, and whether it left a receipt.

`lua/lib/session.lua` writes these answers (decision 0015, decision 0018).
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import hiredis

from redis_mob.connection.failures import ServerRefusalError, UnreadableReceiptError
from redis_mob.connection.servers.driver_errors import refusal_of
from redis_mob.connection.servers.refusals import explain

_RECEIPT = b"RECEIPT"
_UNRECORDED = b"UNRECORDED"

HALF_DONE = "PARTIAL"
"""The code of a script that failed after its first write."""

NOTHING_DONE = "REFUSED"
"""The code of a script that failed before its first write, and left a receipt that says so."""


UNREADABLE = "UNREADABLE"
"""The code of a session that cannot tell what became of a call."""

CUT_SHORT = "a receipt is cut short"


class Answer(NamedTuple):
    """The reply of an operation.

    `recorded` says whether the server has a receipt of it, `repeated` whether an earlier attempt got it first.
    """

    reply: Any
    recorded: bool = True
    repeated: bool = False


def read_answer(raw: Any) -> Answer:
    """The answer in the raw reply to a call of a session. Raises UnreadableReceiptError as `reply_in` does."""
    if isinstance(raw, list) and len(cast("list[Any]", raw)) == 2:
        kind, spelled = cast("list[Any]", raw)
        if kind == _RECEIPT:
            return Answer(reply_in(spelled), repeated=True)
        if kind == _UNRECORDED:
            return Answer(reply_in(spelled), recorded=False)
    return Answer(raw)


def reply_in(receipt: bytes) -> Any:
    """The reply that a receipt holds: one of the protocol's values, or the ServerRefusalError of a failed operation.

    Raises UnreadableReceiptError for a receipt that was cut short or changed.
    """
    # the client's own parser, so that a stored reply is read as it would have been when it came first
    reader = hiredis.Reader()
    reader.feed(receipt)
    try:
        reply = reader.gets()
    except hiredis.HiredisError:
        reply = False
    if reply is False:  # how the parser asks for more; no script replies with it
        raise UnreadableReceiptError(CUT_SHORT)
    return refusal_of(str(reply), None) if isinstance(reply, hiredis.ReplyError) else reply


def refusal_within(refusal: ServerRefusalError) -> ServerRefusalError:
    """The refusal that ended an operation, in the text that the session made of it."""
    return refusal_of(refusal.text, refusal.by)


def half_done_message(text: str) -> str:
    """A sentence on a script that failed half-way, from the text behind the code; see lua/lib/session.lua."""
    if text.count(" ") < 3:
        return "it has happened in part, and the receipt that says how far is damaged: look at what is there"
    writes, command, key, words = text.split(" ", 3)
    within = refusal_of(words, None)
    failed = "it failed" if command == "-" else f"{command} of {key} failed"
    return (
        f"it has happened in part: its script had made {writes} writes when {failed}: "
        f"{explain(within.code, within.text)}; the rest was not done: look at what is there before you repair it"
    )
