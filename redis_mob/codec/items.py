"""The items of steps with `for_each` as bytes: how far a node is, its items, and the executions that are over.

How far a node is stands among the executions of its run, under a key without a target. A release that does not know it
refuses the run. Items, and executions of items that are over, stand in the index of the run, which is not read with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, cast

from pydantic import ValidationError

from redis_mob.codec.arguments import instance, listed, storable_json, text
from redis_mob.codec.asks import late_checkpoints
from redis_mob.codec.executions import PROGRESS, decode_execution, encode_execution, execution_field
from redis_mob.codec.ledgers import decode_json, stored_value
from redis_mob.codec.packing import UNPACK_ERRORS, Argument, pack, unpack
from redis_mob.codec.payloads import Payload, Records, payload
from redis_mob.codec.signals import signal_field
from redis_mob.codec.texts import unpacked
from redis_mob.errors import InternalError, NotFoundError, SerializationError, shown
from redis_mob.models.execution import Execution, ExecutionKey, ItemProgress
from redis_mob.models.transition import NodeKey, Transition

_RECORDS = Records(ItemProgress)


def progress_field(node: NodeKey) -> bytes:
    """The field of how far a node is, among the executions of its run."""
    return execution_field(ExecutionKey(*node, ""))


def encode_progress(progress: ItemProgress, *, is_vouched: bool = False) -> Payload:
    """How far a node is. Raises ValidationError for another class, InternalError if it could not be read back."""
    checked = instance("progress", progress, ItemProgress)
    if (known := _RECORDS.known(checked)) is not None:
        return known
    record = PROGRESS + storable_json(
        "the progress of a step",
        lambda: checked.model_dump_json(warnings="error").encode(),
        ItemProgress.model_validate_json,
        is_vouched=is_vouched,
    )
    # it has the reasons of failures
    return _RECORDS.remember(checked, payload(record))


def decode_progress(run_id: str, stored: Mapping[bytes, bytes]) -> dict[NodeKey, ItemProgress]:
    """How far the nodes of a run are, from what stands among its executions. Raises SerializationError."""
    try:
        return {
            ExecutionKey(*unpack(field)).node: _RECORDS.read(
                ItemProgress.model_validate_json(record[len(PROGRESS) :]), record
            )
            for field, record in stored.items()
            if record.startswith(PROGRESS)
        }
    except (*UNPACK_ERRORS, ValidationError) as error:
        raise SerializationError(f"run {run_id}: the progress of a step cannot be read: {error}") from error


def items_field(node: NodeKey) -> bytes:
    """The field of the items of a node in the index of its run."""
    return b"v" + pack((text("frame_id", node[0]), text("node_id", node[1])))


def ended_field(key: ExecutionKey) -> bytes:
    """The field of the execution of an item that is over in the index of its run. Raises like `execution_field`."""
    return b"e" + execution_field(key)


def checked_keys(keys: object) -> list[ExecutionKey]:
    """Keys of executions. Raises ValidationError for what is no list of them."""
    found = listed("keys", keys)
    for key in found:
        execution_field(key)
    return [ExecutionKey(*key) for key in found]


def encode_items(items: Sequence[Any]) -> Payload:
    """The items of a node. Raises InternalError if they are no JSON."""
    return stored_value("the items of a step", list(items))


def decode_items(run_id: str, node: NodeKey, data: bytes | None) -> list[Any]:
    """The items of a node. Raises NotFoundError if they are not there, SerializationError if they cannot be read."""
    if data is None:
        raise NotFoundError(f"run {run_id} has no items of node {shown(node[1])} of frame {shown(node[0])}")
    try:
        found = decode_json(unpacked(data))
        if not isinstance(found, list):
            raise ValueError("they are no list")
    except ValueError as error:
        raise SerializationError(f"run {run_id}: the items of node {shown(node[1])} cannot be read: {error}") from error
    return cast("list[Any]", found)


def decode_ended(run_id: str, key: ExecutionKey, data: bytes | None) -> Execution:
    """The execution of an item that is over. Raises NotFoundError if it is not, SerializationError for damage."""
    if data is None:
        raise NotFoundError(not_ended(run_id, key))
    try:
        return decode_execution(data)
    except (*UNPACK_ERRORS, ValidationError) as error:
        where = f"execution {shown(key.target)} of node {shown(key.node_id)}"
        raise SerializationError(f"run {run_id}: {where} cannot be read: {error}") from error


def not_ended(run_id: str, key: ExecutionKey) -> str:
    """The message that an execution of an item is not over."""
    return f"run {run_id} has no execution {shown(key.target)} of node {shown(key.node_id)} that is over"


def execution_changes(transition: Transition) -> list[list[Argument]]:
    """How a transition changes executions, signals, and how far nodes are, as lua/executions/commit takes it.

    Raises like the encoders of the parts.
    """
    before, is_vouched = transition.before, transition.is_vouched
    changes: list[list[Argument]] = []
    dropped = [signal_field(number) for number in transition.dropped]
    for key, execution in transition.executions.items():
        expected = before.executions.get(key)
        earlier = b"" if expected is None else encode_execution(expected, is_vouched=is_vouched)
        record = encode_execution(execution, is_vouched=is_vouched)
        taken, dropped = dropped if execution.signal is None else [*dropped, signal_field(execution.signal)], []
        if execution.leaves:
            changes.append([execution_field(key), earlier, b"", 2, ended_field(key), record, len(taken), *taken])
        else:
            kept = list(chain.from_iterable(late_checkpoints(transition, key))) if transition.late_asks else []
            changes.append([execution_field(key), earlier, record, len(kept), *kept, len(taken), *taken])
    if dropped:
        raise InternalError("signals are dropped by a transition that changes no execution")
    for node, progress in transition.progress.items():
        known = before.progress.get(node)
        earlier = b"" if known is None else encode_progress(known, is_vouched=is_vouched)
        items = transition.items.get(node)
        of_node: list[Argument] = [] if items is None else [items_field(node), encode_items(items)]
        record = encode_progress(progress, is_vouched=is_vouched)
        changes.append([progress_field(node), earlier, record, len(of_node), *of_node, 0])
    if unknown := transition.items.keys() - transition.progress.keys():
        raise InternalError(f"the items of {shown(min(unknown))} come without the progress of their node")
    return changes
