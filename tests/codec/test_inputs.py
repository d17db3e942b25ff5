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
from redis_mob.codec.inputs import copied_inputs, decode_inputs, encode_inputs
from redis_mob.errors import InternalError
from redis_mob.models import FlowAuthorityInput
from redis_mob.models.authority import FLOW_AUTHORITY_INPUT, STORABLE_INPUTS, AuthorizeFlowRunReducerCommand, RunCommand
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
    with pytest.raises(ValueError, match="do not end where they say"):
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
