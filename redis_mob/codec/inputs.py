"""The authority inputs of a run as the list of its log holds them: packed, one element for each call (decision 0021).

Few inputs are written in a short form (`short_inputs`). Any other element is the version of its dictionary, then the
JSON array of the inputs, deflated with that dictionary by zlib. The dictionary holds what such texts are made of, and
the id of the run. Equal inputs may have other bytes on another host: nothing compares them. An element that was cut
short or changed is refused by the end mark and the checksum of zlib, one of another run by the checksum of its
dictionary. An element without a version is the JSON of one input, as other programs and older releases write it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from itertools import chain
from typing import Protocol

from pydantic import ConfigDict, TypeAdapter

from redis_mob.codec import short_inputs
from redis_mob.codec.arguments import listed, storable_json
from redis_mob.codec.inflating import inflated
from redis_mob.errors import InternalError
from redis_mob.models.authority import FLOW_AUTHORITY_INPUT, STORABLE_INPUTS, FlowAuthorityInput
from redis_mob.models.base import json_text

_INPUTS: TypeAdapter[list[FlowAuthorityInput]] = TypeAdapter(
    list[FlowAuthorityInput], config=ConfigDict(defer_build=True)
)

_VERSION = b"\x01"
"""The first byte of a deflated element. No JSON begins with it."""

MOST_SHORT = 4
"""Up to so many inputs are written in their short form; of more, zlib makes fewer bytes."""

_LEVEL = 3
"""Greater ones save a sixth of the bytes, and take two to three times as long."""

_WINDOW, _MEMORY = 13, 5
"""How much a packer looks back, 8 KiB, and how much it sets up: it is copied for each call, and more takes longer."""

# What stands at the end is found with the fewest bits. `@` is the id of the run. This text never changes, since what
# was packed with it is read with it: another one gets another version, and this one stays for reading.
_DICTIONARY = (
    'CancelStep"FailStep"SkipStep"DispatchStep"CompleteStep"CreateRun"RegisterTargets"RecordTargetTerminalFailure"'
    'RecordTargetCanceled"RecordTargetSuccess"RecordStepOutput"ConditionRejected"ConditionPassed"CancelLoop"'
    'BodyFrameCanceled"BodyFrameFailed"StartRootFrame"StartBodyFrame"RecordNodeOutput"CancelNode"FailNode"SkipNode"'
    'TerminalizeCanceled"TerminalizeFailed"Canceled"Failed"Skipped"Dispatched"CreateRunSeed"RunFlow","payload":{'
    '"run_id":"@","step_ids":["","ordered_steps":["","step_has_conditions":{"":true,"":false,"step_dependencies":{"":['
    '"","":[],"step_dependency_modes":{"":"Any","":"All","step_branches":{"":null,"step_collection_policies":{"":'
    '"Quorum","":"Any","":"All","step_quorum_thresholds":{"":0,"":0},"escalation_threshold":0,"max_step_retries":0,'
    '"max_active_nodes":0,"max_active_frames":0,"max_frame_depth":0}},{"input":"CreateLoopSeed","payload":{'
    '"loop_instance_id":"@-root::","parent_frame_id":"@-root","parent_node_id":"","loop_id":"","depth":1,'
    '"max_iterations":{"input":"CreateFrameSeed","payload":{"run_id":"@","frame_id":"@-root::::iter-0","frame_scope":'
    '"Body","loop_instance_id":"@-root::","iteration":0,"frame_scope":"Root","loop_instance_id":null,"iteration":0,'
    '"tracked_nodes":["","ordered_nodes":["","node_kind":{"":"Loop","":"Step","node_dependencies":{"":[],'
    '"node_dependency_modes":{"":"Any","":"All","node_branches":{"":null,"node_step_ids":{"":"","node_loop_ids":{},'
    '"node_status":{"":"Pending","":"Ready","ready_queue":["RegisterPendingBodyFrame"PumpFrameScheduler"'
    'FrameTerminated"StartRun"TerminalizeCompleted"StartLoop"BodyFrameStarted"{"input":"RecordLoopUntilConditionMet"'
    'BodyFrameCompleted"RecordLoopUntilConditionFailed","payload":{"loop_instance_id":"@-root::","iteration":0}},'
    '{"input":"AuthorizeLoopIterationReducerCommand","payload":{"loop_instance_id":"@-root::","command":'
    '"RequestBodyFrame","body_frame_id":null,"body_frame_iteration":null}},{"input":"AuthorizeFlowFrameReducerCommand",'
    '"payload":{"frame_id":"@-root","command":"SealFrame","node_id":null,"frame_node_key":null,"node_status":null,'
    '"terminal_status":"Completed"}},{"input":"AuthorizeFlowRunReducerCommand","payload":{"run_id":"@","command":'
    '"ProjectFrameStepStatus","step_id":"","run_step_key":"@\\u0000","step_status":null,"target_count":null,'
    '"frame_id":"@-root","node_id":"","loop_instance_id":null,"retry_key":null}},{"input":'
    '"AuthorizeFlowFrameReducerCommand","payload":{"frame_id":"@-root","command":"CompleteNode","node_id":"",'
    '"frame_node_key":"@-root\\u0000","node_status":"Completed","terminal_status":null}},{"input":'
    '"AuthorizeFlowRunReducerCommand","payload":{"run_id":"@","command":"NodeExecutionReleased","command":'
    '"RegisterReadyFrame","command":"PumpNodeScheduler","step_id":null,"run_step_key":null,"step_status":null,'
    '"target_count":null,"frame_id":"@-root","node_id":null,"loop_instance_id":null,"retry_key":null}},{"input":'
    '"AuthorizeFlowFrameReducerCommand","payload":{"frame_id":"@-root","command":"AdmitNextReadyNode","node_id":"",'
    '"frame_node_key":"@-root\\u0000","node_status":"Running","terminal_status":null}},[{"input":"'
)


def encode_inputs(run_id: str, values: Sequence[FlowAuthorityInput], *, is_vouched: bool = False) -> list[bytes]:
    """The inputs of one call as elements of the log of this run: one for all of them, none for none.

    It is not tried whether those that are vouched for can be read back. Raises InternalError for what no log may hold
    (contract: runs-29), and ValidationError for no list.
    """
    inputs = listed("authority_inputs", values)
    if not inputs:
        return []
    if len(inputs) <= MOST_SHORT and (element := short_inputs.short(run_id, inputs)) is not None:
        return [element]
    packer = _packer(run_id).copy()
    return [_VERSION + packer.compress(_text_of(inputs, is_vouched=is_vouched)) + packer.flush()]


def inputs_reader(run_id: str, elements: Iterable[bytes]) -> Callable[[], tuple[FlowAuthorityInput, ...]]:
    """Gives the inputs that the log of a run holds, in their order.

    All elements are unpacked at once, which shows whether they are whole: most of the time goes into making the inputs
    of them, which few readers ask for. Raises ValueError for an element that is damaged; what this gives raises it for
    a packed element that holds something else.
    """
    readers: list[Callable[[], list[FlowAuthorityInput]]] = []
    for element in elements:
        if element.startswith(short_inputs.VERSION):
            readers.append(partial(_short, short_inputs.texts_of(run_id, element)))
        elif element.startswith(_VERSION):
            readers.append(partial(_INPUTS.validate_json, _unpacked(run_id, element)))
        else:
            FLOW_AUTHORITY_INPUT.validate_json(element)  # such a text has no checksum
            readers.append(partial(_INPUTS.validate_json, b"[%b]" % element))
    return lambda: tuple(chain.from_iterable(read() for read in readers))


def _short(texts: list[str]) -> list[FlowAuthorityInput]:
    return _INPUTS.validate_json(json_text(short_inputs.inputs_of(texts)))


def decode_inputs(run_id: str, elements: Iterable[bytes]) -> tuple[FlowAuthorityInput, ...]:
    """The inputs that the log of a run holds, in their order. Raises ValueError for an element that is damaged."""
    return inputs_reader(run_id, elements)()


def copied_inputs(values: Sequence[FlowAuthorityInput]) -> list[FlowAuthorityInput]:
    """The same inputs, made from their JSON. Raises like `encode_inputs`."""
    return _INPUTS.validate_json(_text_of(listed("authority_inputs", values)))


def _text_of(inputs: list[FlowAuthorityInput], *, is_vouched: bool = False) -> bytes:
    for kind in {*map(type, inputs)}.difference(STORABLE_INPUTS):
        if not issubclass(kind, STORABLE_INPUTS):
            raise InternalError(f"{kind.__name__} is no input that the log of a run may hold")
    return storable_json(
        "authority_inputs",
        lambda: _INPUTS.dump_json(inputs, warnings="error"),
        _INPUTS.validate_json,
        is_vouched=is_vouched,
    )


def _unpacked(run_id: str, element: bytes) -> bytes:
    return inflated(element[len(_VERSION) :], _dictionary(run_id), "packed inputs are")


@lru_cache(maxsize=64)
def _dictionary(run_id: str) -> bytes:
    return _DICTIONARY.replace("@", run_id).encode()


class _Packer(Protocol):
    """What `zlib.compressobj` gives."""

    def copy(self) -> _Packer: ...

    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


@lru_cache(maxsize=16)
def _packer(run_id: str) -> _Packer:
    # To take in the dictionary takes longer than to pack the inputs of most calls. One of these takes about 50 KiB.
    return zlib.compressobj(_LEVEL, wbits=_WINDOW, memLevel=_MEMORY, zdict=_dictionary(run_id))
