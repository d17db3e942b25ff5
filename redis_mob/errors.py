"""One tree of exceptions. The driver's exception, where there is one, is always the `__cause__`."""

from __future__ import annotations


class RedisMobError(Exception):
    """Root of everything this library raises on purpose."""


class MobStoreError(RedisMobError):
    """A store of the mob contract could not do what it was asked."""


class WriteFailedError(MobStoreError):
    """A write did not happen, for a reason that lies with the storage."""


class OutcomeUnknownError(WriteFailedError):
    """The connection was lost after a write was sent, and its reply never came: it may or may not have happened.

    `token` identifies the call.
    """

    def __init__(self, message: str, token: str) -> None:
        super().__init__(message)
        self.token = token


class ReadFailedError(MobStoreError):
    """A read did not happen, for a reason that lies with the storage."""


class StorageUnavailableError(ReadFailedError):
    """The storage cannot be opened: wrong address, nobody listening, wrong password, unsupported server."""


class NotFoundError(MobStoreError):
    """The thing an operation needs does not exist; the message names it."""


class CasConflictError(MobStoreError):
    """A conditional write met another state than it required."""


class SpecRevisionConflictError(MobStoreError):
    """A spec was written against another revision than the stored one; absence counts as 0."""

    def __init__(self, mob_id: str, expected: int | None, actual: int) -> None:
        super().__init__(f"spec of mob {mob_id!r} has revision {actual}, not {expected}")
        self.mob_id = mob_id
        self.expected = expected
        self.actual = actual


class FrameAtomicPersistenceUnavailableError(MobStoreError):
    """A backend cannot do this compound operation atomically. The stores of this library never raise it."""

    def __init__(self, operation: str) -> None:
        super().__init__(f"this backend cannot do {operation} atomically")
        self.operation = operation


class SerializationError(MobStoreError):
    """Stored bytes cannot be read, or do not match their digest; the message names the record."""


class InternalError(MobStoreError):
    """The request itself is impossible: it is refused before any write."""


class RunAlreadyExistsError(InternalError):
    """A run with this id exists already; it was not touched."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"run {run_id} exists already; every run needs an id of its own")
        self.run_id = run_id


class EventsTrimmedError(MobStoreError):
    """Events after the reader's cursor are gone; `first_available` is the first cursor that can still be read.

    A subscription that raised it may be continued: it goes on with the first available event.
    """

    def __init__(self, after: int, first_available: int) -> None:
        super().__init__(f"events after cursor {after} were pruned; the first one available is {first_available}")
        self.after = after
        self.first_available = first_available


class ValidationError(RedisMobError):
    """A name or value breaks a rule of this library; refused before any I/O."""


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
