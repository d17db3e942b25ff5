"""Authority inputs are packed for the log of their run, and read back as the same JSON; damage is told."""
# pyright: reportPrivateUsage=false
# the dictionary is private, and is what must never change

from __future__ import annotations

import json
from base64 import b64decode
from hashlib import blake2b
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redis_mob.codec import inputs as codec
from redis_mob.codec import short_inputs
from redis_mob.codec.inputs import copied_inputs, decode_inputs, encode_inputs
from redis_mob.errors import InternalError
from redis_mob.kernel.commands import Frame, Loop, Run
from redis_mob.models import FlowAuthorityInput
from redis_mob.models.authority import (
    FLOW_AUTHORITY_INPUT,
    STORABLE_INPUTS,
    AuthorizeFlowFrameReducerCommand,
    AuthorizeFlowRunReducerCommand,
    AuthorizeLoopIterationReducerCommand,
    FrameCommand,
    LoopCommand,
    LoopIterationRecord,
    RecordLoopBodyFrameCompleted,
    RunCommand,
)
from redis_mob.models.base import U64_MAX
from redis_mob.testing.samples.full_run import EVERY_INPUT
from tests.codec.strategies import NAMES, field_values
from tests.support.golden import read_jsonl

RUN_ID = "6f9619ff-8b86-4011-b42d-00c04fc964ff"
OTHER_RUN_ID = "6f9619ff-8b86-4011-b42d-00c04fc964fe"

GOLDEN = [line for line in read_jsonl("wire/authority_inputs.jsonl") if line["storable"]]


def json_of(value: FlowAuthorityInput) -> bytes:
    return FLOW_AUTHORITY_INPUT.dump_json(value)


def read(text: Any) -> FlowAuthorityInput:
    return FLOW_AUTHORITY_INPUT.validate_json(json.dumps(text))


def payloads(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Any payload of an input of this kind."""
    model = kind.model_fields["payload"].annotation
    ids = ["a", "b", "é"]
    fields = {name: field_values(model, name, ids) for name in model.model_fields}
    return st.fixed_dictionaries(fields).map(lambda values: kind(payload=model.model_validate(values)))


ANY_INPUTS = st.lists(st.one_of(*map(payloads, STORABLE_INPUTS)), max_size=12)


@pytest.mark.parametrize("line", [pytest.param(line, id=line["name"]) for line in GOLDEN])
def test_a_golden_input_is_read_back_as_the_same_json(line: Any) -> None:
    value = read(line["value"])
    [back] = decode_inputs(RUN_ID, encode_inputs(RUN_ID, [value]))
    assert (back, json_of(back)) == (value, json_of(value))


def test_all_golden_inputs_of_one_call_are_one_element_in_their_order() -> None:
    values = tuple(read(line["value"]) for line in GOLDEN)
    [element] = encode_inputs(RUN_ID, values)
    assert decode_inputs(RUN_ID, [element]) == values


@given(calls=st.lists(ANY_INPUTS, max_size=3))
def test_any_inputs_are_read_back_as_the_same_json(calls: list[list[FlowAuthorityInput]]) -> None:
    elements = [element for values in calls for element in encode_inputs(RUN_ID, values)]
    told = [value for values in calls for value in values]
    back = decode_inputs(RUN_ID, elements)
    assert [*map(json_of, back)] == [*map(json_of, told)]
    assert list(back) == told == copied_inputs(told)


@given(run_id=st.uuids().map(str), text=NAMES)
def test_texts_that_look_like_the_dictionary_are_read_back(run_id: str, text: str) -> None:
    command = RunCommand(run_id=f"@{run_id}@", command=codec._DICTIONARY, frame_id=f"{run_id}-root{text}")
    told = AuthorizeFlowRunReducerCommand(payload=command)
    assert decode_inputs(run_id, encode_inputs(run_id, [told])) == (told,)


def test_no_inputs_are_no_element() -> None:
    assert encode_inputs(RUN_ID, []) == []
    assert decode_inputs(RUN_ID, []) == ()


def test_inputs_as_json_text_are_read_beside_packed_ones() -> None:
    text = json_of(EVERY_INPUT[2])
    elements = [text, *encode_inputs(RUN_ID, EVERY_INPUT), b" " + text]
    assert decode_inputs(RUN_ID, elements) == (EVERY_INPUT[2], *EVERY_INPUT, EVERY_INPUT[2])


PACKED = b64decode(
    "AXh9LfPRzkNikpUwgWkAa6qCdTKpk2iMkFMMUplPWVIgri0M8SFSQoDGMTXblXmGoFg0UgK2BzHal0BhoJwhSA6lnQkUQrQvjYBscDMK"
    "1sZDb2yCVEeDrcBQgdTmBJsJanXCFCG3NkGS0LAHWZebmJkHV4fc+AQbklSaCeywwYxBaoSC3GAFzKFpmXmpSNphLVKwLKQZCtSM1g4F"
    "O782FgBITez2"
)
"""Two of the samples, as version 1 packed them."""


def test_what_version_1_has_packed_is_read_for_ever() -> None:
    assert decode_inputs(RUN_ID, [PACKED]) == EVERY_INPUT[2:4]
    digest = blake2b(codec._DICTIONARY.encode(), digest_size=16).hexdigest()
    assert (codec._VERSION, digest) == (b"\x01", "12114963cf98e4e3e2ac53f570da07e2")


SHORT = b64decode("Asx8LZZSMjNxHwIfcx8DH0ZiYh8DH3MfQ29tcGxldGVkH0w1Yx9sHzE4NDQ2NzQ0MDczNzA5NTUxNjE1H0MzH2wfMA==")
SHORT_INPUTS = (
    AuthorizeFlowRunReducerCommand(
        payload=RunCommand(run_id=RUN_ID, command="PumpNodeScheduler", frame_id=f"{RUN_ID}-root", step_id="s")
    ),
    AuthorizeFlowFrameReducerCommand(
        payload=FrameCommand(frame_id=f"{RUN_ID}-root", command="CompleteNode", node_id="s", node_status="Completed")
    ),
    AuthorizeLoopIterationReducerCommand(
        payload=LoopCommand(loop_instance_id="l", command="BodyFrameFailed", body_frame_iteration=U64_MAX)
    ),
    RecordLoopBodyFrameCompleted(payload=LoopIterationRecord(loop_instance_id="l", iteration=0)),
)
"""As many as are written in the short form."""


def test_what_the_short_form_has_written_is_read_for_ever() -> None:
    assert encode_inputs(RUN_ID, SHORT_INPUTS) == [SHORT]
    assert decode_inputs(RUN_ID, [SHORT]) == SHORT_INPUTS


@pytest.mark.parametrize("kind", [Run, Frame, Loop])
def test_the_short_form_knows_every_command(kind: Any) -> None:
    made = {Run: draft_of_run, Frame: draft_of_frame, Loop: draft_of_loop}[kind]
    for command in kind:
        [element] = encode_inputs(RUN_ID, [made(command)])
        assert element.startswith(short_inputs.VERSION)
        assert decode_inputs(RUN_ID, [element]) == (made(command),)


def draft_of_run(command: str) -> FlowAuthorityInput:
    return AuthorizeFlowRunReducerCommand(payload=RunCommand(run_id=RUN_ID, command=command))


def draft_of_frame(command: str) -> FlowAuthorityInput:
    return AuthorizeFlowFrameReducerCommand(payload=FrameCommand(frame_id="f", command=command))


def draft_of_loop(command: str) -> FlowAuthorityInput:
    return AuthorizeLoopIterationReducerCommand(payload=LoopCommand(loop_instance_id="l", command=command))


@pytest.mark.parametrize(
    "text", ["\x1f", "\x02", "\x03", f"\x02{RUN_ID}-root", "", "\x00", f"{RUN_ID}{RUN_ID}-rootroot"]
)
def test_texts_that_look_like_the_marks_of_the_short_form_are_read_back(text: str) -> None:
    told = AuthorizeFlowFrameReducerCommand(payload=FrameCommand(frame_id=text, command="SealFrame", node_id=text))
    assert decode_inputs(RUN_ID, encode_inputs(RUN_ID, [told])) == (told,)


def test_every_cut_and_every_flipped_bit_of_the_short_form_is_told() -> None:
    damaged = [SHORT[:length] for length in range(len(SHORT))]
    damaged += [flipped(SHORT, place) for place in range(8 * len(SHORT))]
    for element in damaged:
        with pytest.raises(ValueError):
            decode_inputs(RUN_ID, [element])


def test_the_short_form_of_another_run_is_refused() -> None:
    with pytest.raises(ValueError, match="checksum"):
        decode_inputs(OTHER_RUN_ID, [SHORT])


@pytest.mark.parametrize("rest", ["", "Z0a", "F", "F1", "F1z", "F1b", "Fxb", "F1b\x1ff\x1fmore", "C3\x1fl\x1fone"])
def test_what_no_version_has_written_is_told_when_it_is_read(rest: str) -> None:
    data = rest.encode()
    element = short_inputs.VERSION + short_inputs._checksum(RUN_ID, data) + data
    with pytest.raises(ValueError):
        decode_inputs(RUN_ID, [element])


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        pytest.param({"node_id": 7}, "node_id", id="another_type"),
        pytest.param({"frame_id": None}, "frame_id", id="nothing"),
        pytest.param({"node_id": "\udc00"}, "surrogates not allowed", id="lone_surrogate"),
    ],
)
def test_what_the_short_form_has_no_words_for_is_refused_as_ever(changed: dict[str, Any], named: str) -> None:
    payload = FrameCommand(frame_id="f", command="SealFrame").model_copy(update=changed)
    wrong = AuthorizeFlowFrameReducerCommand.model_construct(payload=payload)
    with pytest.raises(InternalError, match=named):
        encode_inputs(RUN_ID, [wrong])


@pytest.mark.parametrize("number", [-1, U64_MAX + 1])
def test_an_integer_out_of_its_range_is_refused(number: int) -> None:
    payload = LoopIterationRecord.model_construct(loop_instance_id="l", iteration=number)
    with pytest.raises(InternalError, match="iteration"):
        encode_inputs(RUN_ID, [RecordLoopBodyFrameCompleted.model_construct(payload=payload)])


def test_packed_inputs_take_a_tenth_of_their_json() -> None:
    frame_id = f"{RUN_ID}-root"
    told = [
        AuthorizeFlowRunReducerCommand(payload=RunCommand(run_id=RUN_ID, command=command, frame_id=frame_id))
        for command in ("RegisterReadyFrame", "PumpNodeScheduler", "NodeExecutionReleased")
    ]
    [element] = encode_inputs(RUN_ID, told)
    assert len(element) * 10 < sum(map(len, map(json_of, told)))


def test_every_cut_is_told() -> None:
    [element] = encode_inputs(RUN_ID, EVERY_INPUT)
    for length in range(len(element)):
        with pytest.raises(ValueError):
            decode_inputs(RUN_ID, [element[:length]])


def test_no_flipped_bit_makes_other_inputs() -> None:
    [element] = encode_inputs(RUN_ID, EVERY_INPUT)
    unnoticed = [place for place in range(8 * len(element)) if reads_the_same(flipped(element, place))]
    assert len(unnoticed) < 8, "the padding between text and checksum, which says nothing"


def flipped(element: bytes, place: int) -> bytes:
    byte, bit = divmod(place, 8)
    return element[:byte] + bytes([element[byte] ^ 1 << bit]) + element[byte + 1 :]


def reads_the_same(element: bytes) -> bool:
    try:
        back = decode_inputs(RUN_ID, [element])
    except ValueError:
        return False
    assert back == EVERY_INPUT
    return True


def test_bytes_behind_the_end_are_told() -> None:
    [element] = encode_inputs(RUN_ID, EVERY_INPUT)
    with pytest.raises(ValueError, match="does not end where it says"):
        decode_inputs(RUN_ID, [element + element])


def test_inputs_of_another_run_are_refused() -> None:
    with pytest.raises(ValueError, match="damaged"):
        decode_inputs(OTHER_RUN_ID, encode_inputs(RUN_ID, EVERY_INPUT))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        pytest.param("Stop", "str is no input", id="another_class"),
        pytest.param(RunCommand.model_construct(run_id="r"), "RunCommand is no input", id="payload_alone"),
        pytest.param(
            AuthorizeFlowRunReducerCommand(payload=RunCommand.model_construct(run_id=7, command="StartRun")),
            "run_id: its value is of another type",
            id="wrong_type",
        ),
        pytest.param(
            AuthorizeFlowRunReducerCommand.model_construct(payload=RunCommand.model_construct(run_id="r")),
            "payload: its value is of another type",
            id="missing_field",
        ),
        pytest.param(
            AuthorizeFlowRunReducerCommand(payload=RunCommand(run_id="\udc00", command="StartRun")),
            "surrogates not allowed",
            id="lone_surrogate",
        ),
    ],
)
def test_what_no_log_may_hold_is_refused(wrong: Any, named: str) -> None:
    with pytest.raises(InternalError, match=named):
        encode_inputs(RUN_ID, [EVERY_INPUT[0], wrong])
