"""One tree of exceptions. The driver's exception, where there is one, is always the `__cause__`."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, Protocol

MOST_SHOWN = 200
"""Characters of one value that a message shows."""

MOST_OF_PATH = 80
"""Characters of a path into a value that a message shows: what is wrong there follows, and has to be seen too."""

LIKE = 0.6
"""How similar a name must be, from 0 to 1, to be what was meant."""

MOST_COMPARED = 100
"""Characters of a name, and names, that are compared to find the nearest ones: it takes as long as both are large."""


def shown(value: object) -> str:
    """The repr of a value that a caller gave, for a message: at most 200 characters of it, then how long the value is.

    It never raises: a value that has no repr, as an integer of too many digits has none, is shown by its type.
    """
    if isinstance(value, str | bytes):
        return _cut(repr(value[:MOST_SHOWN]), len(value), "bytes" if isinstance(value, bytes) else "characters")
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - the value is a caller's: its repr may raise anything, and a message is needed
        return f"<a value of type {type(value).__name__}>"
    return _cut(text, len(text))


def shortened(value: object, most: int = MOST_SHOWN) -> str:
    """The text of a value that a caller gave, for a message: at most so many characters of it, then how long it is."""
    text = str(value)
    return _cut(text, len(text), most=most)


def nearest(name: str, known: Iterable[str], most: int = 1) -> str:
    """What a message adds to a name that is not known: `nearest: 'reviewer'`, from those that are, at most so many."""
    return f"nearest: {', '.join(map(shown, _close(name, known, most, 0.0))) or 'none'}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """What ends a message about a name that is not known, if one that is known is near; else nothing."""
    near = _close(name, known, 1, LIKE)
    return f"; did you mean {shown(near[0])}?" if near else ""


def _close(name: str, known: Iterable[str], most: int, cutoff: float) -> list[str]:
    """The most similar names, upper and lower case being the same, the nearest first."""
    names = list(dict.fromkeys(known))
    if len(names) > MOST_COMPARED:
        names = [one for one in names if one[:1] == name[:1]][:MOST_COMPARED] or names[:MOST_COMPARED]
    by_folded: dict[str, list[str]] = {}
    for one in names:
        by_folded.setdefault(one.casefold(), []).append(one)
    found = get_close_matches(name[:MOST_COMPARED].casefold(), by_folded, n=most, cutoff=cutoff)
    return [one for folded in found for one in by_folded[folded]][:most]


def _remade(kind: type[BaseException], args: tuple[object, ...]) -> BaseException:
    return kind.__new__(kind, *args)  # `__new__` of exceptions sets args


def _cut(text: str, length: int, unit: str = "characters", most: int = MOST_SHOWN) -> str:
    if len(text) <= most + 2 and length <= most:  # 2 for the quotes of a repr
        return text
    return f"{text[:most]}… ({length} {unit})"


class Portable(BaseException):
    """An exception that crosses processes, and can be copied, also where its constructor takes no message.

    Python makes an exception again by calling its class with `args`, which holds the message alone where a constructor
    builds it from something else. This one is made without its constructor, from `args` and its attributes.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return _remade, (type(self), self.args), dict(vars(self))  # notes are an attribute too


class RedisMobError(Portable, Exception):
    """Root of everything this library raises on purpose."""


class MobStoreError(RedisMobError):
    """A store of the mob contract could not do what it was asked."""


class WriteFailedError(MobStoreError):
    """A write did not happen, for a reason that lies with the storage (contract: store-12)."""


class OutcomeUnknownError(WriteFailedError):
    """A write may have happened: its reply never came, or its script failed half-way, which the message then says.

    `token` identifies the write: `await storage.resolve(error.token)` learns what became of it (contract: store-13).
    """

    def __init__(self, message: str, token: str) -> None:
        super().__init__(message)
        self.token = token


class DurabilityError(MobStoreError):
    """A write has happened, and could not be made as safe as the storage was asked to make writes.

    `asked` is that durability, `reached` says where the write is. Doing it again does it twice (contract: store-18).
    """

    def __init__(self, asked: str, reached: str) -> None:
        super().__init__(
            f"the write has happened, but is not as safe as durability {asked} says: only {reached} has it"
        )
        self.asked = asked
        self.reached = reached


class EpochChangedError(MobStoreError):
    """The storage has gone back in time: a failover or restart has lost what had been acknowledged or seen.

    A write that raises it has not happened. Every storage that notices raises it once, then goes on with what is
    left: read again what you rely on. A subscription that raises it goes on after the event `kept`, the last one of
    those it had seen that is still there; `kept` is None for a write (contract: store-17).
    """

    def __init__(self, message: str, kept: int | None = None) -> None:
        super().__init__(message)
        self.kept = kept

    @classmethod
    def of_events(cls, after: int, kept: int) -> EpochChangedError:
        """What a subscription raises that had come to cursor `after`."""
        return cls(
            f"the event log has gone back in time: of what was seen up to cursor {after}, only what came up to cursor "
            f"{kept} is still there; the subscription goes on after it",
            kept,
        )


class ReadFailedError(MobStoreError):
    """A read did not happen, for a reason that lies with the storage."""


class StorageUnavailableError(ReadFailedError):
    """The storage cannot be opened: wrong address, no server there, wrong password, unsupported server.

    What passes was waited for (contract: store-19).
    """


class NotFoundError(MobStoreError):
    """The thing an operation needs does not exist; the message names it."""

    @classmethod
    def of_run(cls, run_id: str, namespace: str) -> NotFoundError:
        """That there is no such run: most often it is in another namespace, so that the one looked in is named."""
        return cls(f"run {run_id} does not exist in namespace {shown(namespace)}; `redis-mob ls` lists those that do")


class NotDrivenError(NotFoundError):
    """A run is there, but no fleet has started it, so that there is nothing of what a fleet keeps of its runs."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"run {run_id} was not started by a fleet; nothing drives it")


class CasConflictError(MobStoreError):
    """A conditional write met another state than it required."""


class ConversationBusyError(CasConflictError):
    """A run was to start in a conversation in which another one is under way; nothing was started.

    `run_id` is that of the active run, `conversation` the id of the conversation (contract: conversation-2).
    """

    def __init__(self, conversation: str, run_id: str, why: str = "") -> None:
        super().__init__(
            f"conversation {shown(conversation)} is busy: run {run_id} is under way{why}; wait for its end, or start "
            "with on_busy='enqueue', 'interrupt' or 'rollback'"
        )
        self.conversation = conversation
        self.run_id = run_id


class SpecRevisionConflictError(MobStoreError):
    """A spec was written against another revision than the stored one; absence counts as 0."""

    def __init__(self, mob_id: str, expected: int | None, actual: int) -> None:
        super().__init__(f"spec of mob {shown(mob_id)} has revision {actual}, not {shown(expected)}")
        self.mob_id = mob_id
        self.expected = expected
        self.actual = actual


class FrameAtomicPersistenceUnavailableError(MobStoreError):
    """A backend cannot do this compound operation atomically. The stores here never raise it (contract: store-2)."""

    def __init__(self, operation: str) -> None:
        super().__init__(f"this backend cannot do {shortened(operation)} atomically")
        self.operation = operation


class SerializationError(MobStoreError):
    """Stored bytes cannot be read or do not match their digest, or a config document cannot be written as JSON.

    The message names the record.
    """


class BlobMissingError(SerializationError):
    """A payload of run `run_id` is stored outside of the server, under `name`, and is not there any more."""

    def __init__(self, run_id: str, name: str, store: str) -> None:
        self.run_id = run_id
        self.name = name
        super().__init__(
            f"run {run_id}: blob {name}, which holds a payload of it, is gone from {store}: restore it from a backup, "
            "or delete the run"
        )


class SealKeyMissingError(MobStoreError):
    """Something is sealed with keys that this storage does not have; `key_ids` names them, `key_id` the first."""

    def __init__(self, key_id: str, *others: str, message: str | None = None) -> None:
        self.key_id = key_id
        self.key_ids = (key_id, *others)
        super().__init__(
            message
            or f"sealed secrets need seal key {', '.join(map(shown, self.key_ids))}, which this storage does not have: "
            "give it to a command by --seal-keys FILE or REDIS_MOB_SEAL_KEYS, in Python by "
            "MobStorage.open(seal_key=...), in a SealKeyring if there are several"
        )


class SealKeyMismatchError(MobStoreError):
    """A seal key that was given is another one than that of its id in this namespace; `key_ids` names all such keys.

    Opening refuses it, since what it would seal could not be opened with the right key, and the other way round.
    """

    def __init__(self, key_id: str, *others: str, message: str | None = None) -> None:
        self.key_id = key_id
        self.key_ids = (key_id, *others)
        super().__init__(
            message
            or f"seal key {', '.join(map(shown, self.key_ids))} is another key than the one of this id that the "
            "namespace is sealed with: give the right one, and every new key an id of its own"
        )


class InternalError(MobStoreError):
    """The request itself is impossible: it is refused before any write."""


class RunAlreadyExistsError(InternalError):
    """A run with this id exists already; it was not touched."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"run {shortened(run_id)} exists already; every run needs an id of its own")
        self.run_id = run_id


class EventsTrimmedError(MobStoreError):
    """Events after the reader's cursor are gone; `first_available` is the first cursor that can still be read.

    A subscription that raised it may be continued: it goes on with the first available event.
    """

    def __init__(self, after: int, first_available: int) -> None:
        super().__init__(f"events after cursor {after} were pruned; the first one available is {first_available}")
        self.after = after
        self.first_available = first_available


class ProgressTrimmedError(MobStoreError):
    """Entries after the offset of a watcher are gone; `first_available` is the first one that can still be read.

    A watcher that raised it may be continued: it goes on with that entry.
    """

    def __init__(self, run_id: str, after: int, first_available: int) -> None:
        super().__init__(
            f"what handlers of run {run_id} told after offset {after} is gone; the first entry that is left is "
            f"{first_available}"
        )
        self.run_id = run_id
        self.after = after
        self.first_available = first_available


class ConfigStoreError(RedisMobError):
    """A config document could not be written as asked, or its changes not be followed."""


class AlreadyExistsError(ConfigStoreError):
    """A config document that was to be created exists already; it was not touched. The text is `namespace/id`."""

    def __init__(self, namespace: str, id: str) -> None:
        super().__init__(f"{shortened(namespace)}/{shortened(id)}")
        self.namespace = namespace
        self.id = id


class VersionConflictError(ConfigStoreError):
    """A config document has another revision than the one expected; absence counts as 0. Nothing was written."""

    def __init__(self, expected: int, actual: int, name: str = "the document") -> None:
        super().__init__(f"{shortened(name)} has revision {actual}, not {expected}: read it again")
        self.expected = expected
        self.actual = actual


class ChangeFeedTruncatedError(ConfigStoreError):
    """Config changes after the reader's cursor are gone: read the documents again.

    A subscription that raised it may be continued: it goes on with the change `first_available`. It is also raised
    where changes that a subscription had passed are gone or others, because the storage has gone back in time.
    """

    def __init__(self, after: int, first_available: int) -> None:
        super().__init__(
            f"config changes after cursor {after} are gone; the first one available is {first_available}: "
            "read the documents again"
        )
        self.after = after
        self.first_available = first_available


class ValidationError(ConfigStoreError):
    """A name or value breaks a rule of this library; refused before any I/O."""


class WaitTimeoutError(RedisMobError, TimeoutError):
    """What was waited for has not come in the time that the caller gave; nothing was changed."""


class KernelError(RedisMobError):
    """The flow machine refuses an input in this state; nothing changed."""


class FrameDepthLimitExceededError(KernelError):
    """A loop would nest deeper than `max_frame_depth` allows."""


class DefinitionError(RedisMobError):
    """A mob definition cannot be read or does not pass validation; every diagnostic is listed."""


class TemplateError(DefinitionError):
    """The message of a step has a malformed placeholder.

    `line` and `column` count characters from 1, `byte` counts UTF-8 bytes from 0.
    """

    def __init__(self, problem: str, line: int, column: int, byte: int) -> None:
        super().__init__(f"line {line}, column {column} (byte {byte}): {problem}")
        self.line = line
        self.column = column
        self.byte = byte


class HandlerError(RedisMobError):
    """A handler cannot be found, imported or called."""


class EndedRun(Protocol):
    """What a RunFailedError tells of a run, which is a MobRun."""

    @property
    def run_id(self) -> str: ...

    @property
    def flow_id(self) -> str: ...

    @property
    def status(self) -> str: ...


class RunFailedError(RedisMobError):
    """A run that `Mob.run` waited for has failed or was canceled; `run` is the run, with its ledgers and outputs."""

    def __init__(self, run: EndedRun, reasons: str) -> None:
        super().__init__(f"run {run.run_id} of flow {shown(run.flow_id)} {_ENDS.get(run.status, run.status)}{reasons}")
        self.run: Any = run


_ENDS = {"failed": "has failed", "canceled": "was canceled"}


class UnsealedSecretsWarning(UserWarning):
    """A secret was stored in clear because the storage was opened without a seal key."""
