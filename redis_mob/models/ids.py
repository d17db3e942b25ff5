"""Identities and keys that several records share (contract: json-4)."""

from collections.abc import Sequence
from typing import Annotated, Any, cast

from pydantic import PlainSerializer, PlainValidator

from redis_mob.models.base import U8_MAX, U64, Model, WireEnum

KEY_BYTES = 32
"""Length of an Ed25519 key, secret or public."""


def _key(value: object) -> bytes:
    if isinstance(value, bytes):
        raw = value
    elif isinstance(value, list | tuple) and all(
        type(item) is int and 0 <= item <= U8_MAX for item in cast("Sequence[Any]", value)
    ):
        raw = bytes(cast("Sequence[int]", value))
    else:
        raise ValueError(f"a key is bytes, or a list of {KEY_BYTES} integers from 0 to {U8_MAX}")
    if len(raw) != KEY_BYTES:
        raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(raw)}")
    return raw


KeyBytes = Annotated[bytes, PlainValidator(_key), PlainSerializer(list, return_type=list[int], when_used="json")]
"""The 32 bytes of a key; a list of 32 integers in JSON."""


class AgentRuntimeId(Model):
    """One incarnation of an agent: who it is, and how many times it was started anew before."""

    identity: str
    generation: U64

    def __str__(self) -> str:
        return f"{self.identity}:{self.generation}"


class FrameAtomicOperation(WireEnum):
    """The compound operations that must be atomic, by their method names (contract: store-2, runs-15)."""

    CAS_FRAME_STATE = "cas_frame_state"
    CAS_GRANT_NODE_SLOT = "cas_grant_node_slot"
    CAS_COMPLETE_STEP_AND_RECORD_OUTPUT = "cas_complete_step_and_record_output"
    CAS_START_LOOP = "cas_start_loop"
    CAS_LOOP_REQUEST_BODY_FRAME = "cas_loop_request_body_frame"
    CAS_GRANT_BODY_FRAME_START = "cas_grant_body_frame_start"
    CAS_COMPLETE_BODY_FRAME = "cas_complete_body_frame"
    CAS_COMPLETE_LOOP = "cas_complete_loop"
