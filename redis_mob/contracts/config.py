"""The contract of config documents, and of the feed of their changes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeAlias, runtime_checkable

from redis_mob.models.config import ConfigChangeEvent, ConfigSnapshot, ConfigVersion, ConfigWrite, Found

FEED_LENGTH = 10_000
"""The `feed_length` that stores begin with."""

Documents: TypeAlias = list[tuple[str, Any]]
"""Ids and values, in the order of the UTF-8 bytes of the ids."""


class ConfigSubscription(Protocol):
    """The changes of config documents, one after the other; also an asynchronous iterator.

    An error is raised once, and then it goes on; cancelling a wait loses and repeats nothing.
    """

    @property
    def cursor(self) -> int:
        """The cursor of the last change that was handed over or passed, being none of this scope's.

        `subscribe(after=cursor)` goes on behind it.
        """
        ...

    async def next(self) -> ConfigChangeEvent:
        """Wait for the next change.

        Raises ChangeFeedTruncatedError where changes are gone that were never read (contract: config-26), also when the
        server lost the end of the feed; SerializationError for a change that cannot be read, ReadFailedError when the
        storage cannot be reached.
        """
        ...

    def __aiter__(self) -> AsyncIterator[ConfigChangeEvent]: ...

    async def __anext__(self) -> ConfigChangeEvent:
        """Like `next`."""
        ...


@runtime_checkable
class ConfigChangeNotifier(Protocol):
    """Tells subscribers that config documents changed, in the order in which they did (contract: config-24)."""

    def subscribe(self, after: int | None = None) -> AbstractAsyncContextManager[ConfigSubscription]:
        """Follow the changes: each once, in order, across processes and lost connections.

        Each successful put is one change, also of an equal value; a delete is one only if it removed something
        (contract: config-23); what failed is none. Without `after` it starts with the next change, with the cursor of a
        snapshot or of another subscription behind that. Raises ValidationError for a cursor that is none.
        """
        ...


@runtime_checkable
class ConfigStore(Protocol):
    """JSON documents by config namespace and id (contract: config-1).

    A document is any JSON value: exact integers, floats, and the order of keys come back as they were; it is at most
    500 levels deep and 64 MiB of JSON text, else SerializationError names the offending path before any I/O. The
    store never changes a document. Its revision is the integer at `meta.revision`, 0 if there is none (see
    `extract_meta_revision`); conditional writes compare it, and do not demand that it grows.

    Names are texts that are not blank and contain neither control characters nor lone surrogates, else
    ValidationError before any I/O (contract: config-18), which every other argument of another type raises too
    (contract: store-23). Every call is atomic. All raise OutcomeUnknownError when the
    connection was lost after a write was sent, WriteFailedError or ReadFailedError when the storage cannot be reached,
    SerializationError naming a stored document that cannot be read.
    """

    async def get(self, namespace: str, id: str) -> Any:
        """The document, or None if there is none; `lookup` tells a stored null from absence."""
        ...

    async def lookup(self, namespace: str, id: str) -> Found | None:
        """The document as Found(value), or None if there is none."""
        ...

    async def exists(self, namespace: str, id: str) -> bool:
        """Whether there is a document, readable or not; does not transfer it."""
        ...

    async def list(self, namespace: str, offset: int = 0, limit: int | None = None) -> Documents:
        """The documents of a namespace in the order of the UTF-8 bytes of their ids, as of one moment.

        Skips `offset` and reads at most `limit` of them; costs as much as it reads. Pages are independent reads: use
        `walk` to see each document once (contract: config-13, config-14). Raises ValidationError for a negative number,
        and SerializationError naming the first document that cannot be read, rather than leave it out.
        """
        ...

    async def put(self, namespace: str, id: str, value: Any) -> None:
        """Create or overwrite a document; its revision is not compared."""
        ...

    async def put_if_absent(self, namespace: str, id: str, value: Any) -> None:
        """Create a document. Raises AlreadyExistsError, whose text is `namespace/id`, if there is one."""
        ...

    async def put_if_revision(self, namespace: str, id: str, value: Any, expected_revision: int) -> None:
        """Write a document if the stored revision is `expected_revision`; absence counts as 0.

        So 0 also overwrites a document without a readable revision: use `put_if_absent` to create only. Raises
        VersionConflictError otherwise, ValidationError if the number is not from 0 to 2^64-1
        (contract: config-8, config-10).
        """
        ...

    async def delete(self, namespace: str, id: str) -> None:
        """Delete a document and its past versions; a missing one is fine."""
        ...

    async def delete_if_revision(self, namespace: str, id: str, expected_revision: int) -> None:
        """Delete a document if the stored revision is `expected_revision`; absence counts as 0, and is fine then.

        Raises like `put_if_revision`.
        """
        ...

    async def apply(self, writes: Iterable[ConfigWrite]) -> None:
        """Write and delete several documents: all conditions are compared first, then all happens, or nothing.

        `writes` may be any iterable. Each write is one change in the feed, in the given order. Raises
        AlreadyExistsError or VersionConflictError for the first condition that does not hold, ValidationError if two
        writes name the same document.
        """
        ...

    async def snapshot(self, namespaces: Iterable[str]) -> ConfigSnapshot:
        """All documents of these namespaces at one moment, and the cursor from which to follow what comes after."""
        ...

    async def change_token(self, namespace: str) -> int:
        """A number that grows with every change in this namespace, and only then; 0 if there never was one.

        It costs the same however many documents there are: a reader that polls compares it with the one before.
        """
        ...

    async def history(self, namespace: str, id: str) -> Sequence[ConfigVersion]:
        """The last 20 versions of a document, the newest and present one first; none once it is deleted."""
        ...

    def walk(self, namespace: str, page_size: int = 100) -> AsyncIterator[tuple[str, Any]]:
        """All documents of a namespace in the order of the UTF-8 bytes of their ids, read page by page.

        A document that is there all the time is seen exactly once, also while others are written. Raises like `list`,
        and ValidationError for a page size that is not at least 1.
        """
        ...

    def scoped(self, scope_id: str) -> ConfigStore:
        """The documents of one scope, apart from those of all others; its namespaces are not those of any other scope.

        Its errors, and the changes it tells of, are those of the scope, by the names within it. Without a scope they
        show as namespaces `scope:<bytes of the scope id>:<scope id>:<namespace>` (contract: config-20). Raises
        ValidationError for a scope id that is no name or has more than 512 bytes.
        """
        ...


@runtime_checkable
class WatchableConfigStore(ConfigStore, ConfigChangeNotifier, Protocol):
    """Config documents whose changes can be followed; both contracts hold."""

    feed_length: int
    """Each write through this object keeps at least this many of the newest changes in the feed; may be set.

    Scopes begin with that of the store they are made from.
    """

    def scoped(self, scope_id: str) -> WatchableConfigStore:
        """Like `ConfigStore.scoped`; subscribers hear of the changes within the scope only."""
        ...
