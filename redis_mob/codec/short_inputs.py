"""The short form of authority inputs: commands and loop records as texts, without JSON (decision 0021).

Most calls append one or two commands. As JSON, deflated, these take several times as long to write, and no fewer bytes.

An element is its version, a CRC-32 over the id of the run and the rest, and that rest: UTF-8 texts with a separator
between them. An input begins with a text that says its kind, which of its fields are given, and its command; the given
fields follow in their order. A mark stands for the id of the run, which many of them hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import compress
from operator import itemgetter
from types import NoneType
from typing import Any
from zlib import crc32

from redis_mob.models.authority import (
    AuthorizeFlowFrameReducerCommand,
    AuthorizeFlowRunReducerCommand,
    AuthorizeLoopIterationReducerCommand,
    FlowAuthorityInput,
    RecordLoopBodyFrameCompleted,
    RecordLoopUntilConditionFailed,
    RecordLoopUntilConditionMet,
)
from redis_mob.models.base import U64_MAX, Model

VERSION = b"\x02"
"""The first byte of an element in this form."""

_SEPARATOR = "\x1f"
_RUN, _ROOT = "\x02", "\x03"
"""What stands for the id of the run, and for that of its root frame, which begins with it."""
_CHECKSUM = 4

_TEXT, _OPTIONAL_TEXT, _INTEGER, _OPTIONAL_INTEGER = range(4)

# What stands here is read for ever: letters are given to new kinds and new commands, and never taken from old ones.
_RUN_COMMANDS = (
    "StartRun DispatchStep CompleteStep FailStep SkipStep CancelStep ProjectFrameStepStatus RecordStepOutput "
    "ConditionPassed ConditionRejected RegisterTargets RecordTargetSuccess RecordTargetTerminalFailure "
    "RecordTargetCanceled RecordTargetFailure RegisterReadyFrame PumpNodeScheduler RegisterPendingBodyFrame "
    "PumpFrameScheduler NodeExecutionReleased FrameTerminated TerminalizeCompleted TerminalizeFailed "
    "TerminalizeCanceled"
)
_FRAME_COMMANDS = "AdmitNextReadyNode CompleteNode FailNode SkipNode CancelNode RecordNodeOutput SealFrame"
_LOOP_COMMANDS = (
    "RequestBodyFrame BodyFrameStarted BodyFrameFailed BodyFrameCanceled CancelLoop StartLoop BodyFrameCompleted"
)
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class _Form:
    """How the inputs of one kind are written: which fields their payload has, and the letters of their commands."""

    def __init__(self, letter: str, kind: Any, fields: Mapping[str, int], commands: str = "") -> None:
        self.letter = letter
        self.kind: type[Model] = kind
        self.name: str = kind.model_fields["input"].default
        self.payload: type[Model] = kind.model_fields["payload"].annotation
        self.fields = fields
        self.commands = dict(zip(commands.split(), _LETTERS, strict=False))
        self.command_of = {code: command for command, code in self.commands.items()}
        names = ("command", *fields) if commands else tuple(fields)
        self.count = len(names)
        self.values = itemgetter(*names)
        self.heads: dict[tuple[type, ...], str] = {}
        """The beginnings of inputs whose fields have these types, for those that were seen and may be written."""

    def head(self, kinds: tuple[type, ...]) -> str | None:
        """The beginning of an input whose fields have these types; None if one of them must not be there."""
        given = 0
        for place, (kind, allowed) in enumerate(zip(kinds[-len(self.fields) :], self.fields.values(), strict=True)):
            if kind is NoneType:
                if allowed in (_TEXT, _INTEGER):
                    return None
                continue
            if not (kind is int if allowed in (_INTEGER, _OPTIONAL_INTEGER) else issubclass(kind, str)):
                return None
            given |= 1 << place
        if self.commands and not issubclass(kinds[0], str):
            return None
        head = self.heads[kinds] = f"{self.letter}{given:x}"
        return head


_RECORD = {"loop_instance_id": _TEXT, "iteration": _INTEGER}
_FORMS = (
    _Form(
        "R",
        AuthorizeFlowRunReducerCommand,
        {
            "run_id": _TEXT,
            "step_id": _OPTIONAL_TEXT,
            "run_step_key": _OPTIONAL_TEXT,
            "step_status": _OPTIONAL_TEXT,
            "target_count": _OPTIONAL_INTEGER,
            "frame_id": _OPTIONAL_TEXT,
            "node_id": _OPTIONAL_TEXT,
            "loop_instance_id": _OPTIONAL_TEXT,
            "retry_key": _OPTIONAL_TEXT,
        },
        _RUN_COMMANDS,
    ),
    _Form(
        "F",
        AuthorizeFlowFrameReducerCommand,
        {
            "frame_id": _TEXT,
            "node_id": _OPTIONAL_TEXT,
            "frame_node_key": _OPTIONAL_TEXT,
            "node_status": _OPTIONAL_TEXT,
            "terminal_status": _OPTIONAL_TEXT,
        },
        _FRAME_COMMANDS,
    ),
    _Form(
        "L",
        AuthorizeLoopIterationReducerCommand,
        {
            "loop_instance_id": _TEXT,
            "body_frame_id": _OPTIONAL_TEXT,
            "body_frame_iteration": _OPTIONAL_INTEGER,
        },
        _LOOP_COMMANDS,
    ),
    _Form("C", RecordLoopBodyFrameCompleted, _RECORD),
    _Form("M", RecordLoopUntilConditionMet, _RECORD),
    _Form("N", RecordLoopUntilConditionFailed, _RECORD),
)
_BY_KIND = {form.kind: form for form in _FORMS}
_BY_LETTER = {form.letter: form for form in _FORMS}


def short(run_id: str, inputs: Sequence[FlowAuthorityInput]) -> bytes | None:
    """The element that holds these inputs; None if this form has no words for one of them, or if it is not sound."""
    parts: list[Any] = []
    for value in inputs:
        if (form := _BY_KIND.get(type(value))) is None:
            return None
        fields = vars(value)
        payload: Any = fields.get("payload")
        if type(payload) is not form.payload or len(fields) != len(("input", "payload")):
            return None
        if value.__pydantic_extra__ or payload.__pydantic_extra__:
            return None  # fields that no class has are kept in the long form
        own = vars(payload)
        if fields.get("input") != form.name or len(own) != form.count:
            return None
        try:
            values: tuple[Any, ...] = form.values(own)
        except KeyError:
            return None
        kinds = (*map(type, values),)
        head = form.heads.get(kinds) or form.head(kinds)
        if head is None:
            return None
        if form.commands:
            if (command := form.commands.get(values[0])) is None:
                return None
            head += command
            values = values[1:]
        parts.append(head)
        for part in values:
            if part is not None:
                if type(part) is int:
                    if not 0 <= part <= U64_MAX:
                        return None
                    part = str(part)
                parts.append(part)
    text = _SEPARATOR.join(parts)
    if text.count(_SEPARATOR) != len(parts) - 1 or _RUN in text or _ROOT in text:
        return None
    try:
        rest = text.replace(f"{run_id}-root", _ROOT).replace(run_id, _RUN).encode()
    except UnicodeEncodeError:
        return None
    return VERSION + _checksum(run_id, rest) + rest


def texts_of(run_id: str, element: bytes) -> list[str]:
    """The texts that an element holds. Raises ValueError if it is damaged, or belongs to another run."""
    start = len(VERSION) + _CHECKSUM
    if element[len(VERSION) : start] != _checksum(run_id, element[start:]):
        raise ValueError("short inputs are damaged: they do not match their checksum")
    text = element[start:].decode()
    return text.replace(_ROOT, f"{run_id}-root").replace(_RUN, run_id).split(_SEPARATOR)


def inputs_of(texts: Sequence[str]) -> list[dict[str, Any]]:
    """The inputs that these texts stand for, as their JSON. Raises ValueError for what no version has written."""
    inputs: list[dict[str, Any]] = []
    following = iter(texts)
    try:
        for head in following:
            form = _BY_LETTER[head[0]]
            digits, code = (head[1:-1], head[-1]) if form.commands else (head[1:], "")
            payload: dict[str, Any] = {"command": form.command_of[code]} if code else {}
            payload.update(dict.fromkeys(form.fields))
            given = int(digits, 16)
            for name in compress(form.fields, (given >> place & 1 for place in range(len(form.fields)))):
                part = next(following)
                payload[name] = int(part) if form.fields[name] in (_INTEGER, _OPTIONAL_INTEGER) else part
            inputs.append({"input": form.name, "payload": payload})
    except (LookupError, StopIteration):
        raise ValueError("short inputs are damaged: they say what no version has written") from None
    return inputs


def _checksum(run_id: str, rest: bytes) -> bytes:
    return crc32(run_id.encode() + rest).to_bytes(_CHECKSUM, "big")
