"""Which stored bytes hold what users and handlers have said, so that a namespace may have these coded.

The codec marks them, and the way to the server codes what is marked (decision 0049). Without a payload codec a mark
changes nothing: the bytes are stored as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any, Generic, TypeVar

from redis_mob.models.base import Model
from redis_mob.models.remembered import known, remember

M = TypeVar("M", bound=Model)


class Payload(bytes):
    """Bytes as they are stored where payloads are not coded, and what a payload codec makes its own form of.

    `text` is coded in place of the bytes themselves, which may be deflated already. The first `clear` bytes of it are
    never coded: scripts look at them. One that `stays` is never put into a blob: it is kept by another key than those
    of its run, or is pushed to subscribers. `owner` is the run that a blob of it belongs to, if that is not the run
    whose keys come first in the call. `stored` is what it was stored as, once that is known: a compare finds that.
    """

    # attributes of the class stand for what is not set: most payloads set one
    text: bytes | None = None
    clear: int = 0
    stays: bool = False
    owner: str | None = None
    stored: bytes | None = None

    @property
    def whole(self) -> bytes:
        """What is coded."""
        return self if self.text is None else self.text


def payload(
    stored: bytes,
    text: bytes | None = None,
    *,
    clear: int = 0,
    stays: bool = False,
    owner: str | None = None,
) -> Payload:
    """The same bytes, marked. What is empty stands for nothing, and is not coded."""
    marked = Payload(stored)
    if text is not None:
        marked.text = text
    if clear or stays or owner:
        marked.clear, marked.stays, marked.owner = clear, stays, owner
    return marked


def read_payload(text: bytes, stored: bytes) -> Payload:
    """A payload that was read: it is stored again as the same bytes, so that a compare finds what was read."""
    marked = Payload(text)
    marked.stored = stored
    return marked


_MEMORY = "_record"
"""Where a model remembers its record."""


class Records(Generic[M]):
    """The records of models of one class; each remembers its own: what was read or written is what is compared."""

    def __init__(self, model: type[M]) -> None:
        self._values: Callable[[Any], tuple[Any, ...]] = itemgetter(*model.model_fields)

    def known(self, model: M) -> Payload | None:
        """The record of a model that has not been changed since; None if it has none."""
        try:
            values = self._values(vars(model))
        except KeyError:
            # a model that was made past its checks may lack a field: what writes the record says so
            return None
        return known(model, _MEMORY, values)

    def remember(self, model: M, record: Payload) -> Payload:
        """Have a model remember its record."""
        return remember(model, _MEMORY, self._values(vars(model)), record)

    def read(self, model: M, record: bytes) -> M:
        """A model that was read of this record, which may be another one than would be written of it now."""
        self.remember(model, record if isinstance(record, Payload) else read_payload(record, record))
        return model
