"""What a compare-and-swap script gets for one snapshot: two digests and the groups that changed.

Digests make the comparison short (decision 0002); scripts do not read the groups (decision 0003).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from redis_mob.codec.arguments import instance, text
from redis_mob.codec.field_groups import OPTIONAL
from redis_mob.codec.packing import Argument, pack
from redis_mob.codec.snapshots import Snapshot, beside, encode, groups_changed
from redis_mob.errors import shown
from redis_mob.models.flow import FlowFrameState, FlowRunState, FrameSnapshot, LoopIterationState, LoopSnapshot

ABSENT = b""
"""The expected digest of a snapshot that must not exist yet."""

FLOW_DIGEST = b"flow"
"""The field of the run hash that holds the digest of the flow state; its groups stand in `flow:<group>`."""

FLOW_GROUP = b"flow:"
"""What the names of the fields with its groups begin with."""

# How msgpack begins an array of one item, or two: the digest of a snapshot is in the field [its name], a group of it
# in [its name, name of the group]. The name is packed once for all of them.
_ONE, _TWO = b"\x91", b"\x92"


def snapshot_field(name: str) -> bytes:
    """The field that holds the digest of a frame or loop, in the hash of all frames or loops of a run."""
    return _ONE + pack(name)


def counted(items: Sequence[Argument]) -> list[Argument]:
    """A list as scripts read it: its length, then its items."""
    return [len(items), *items]


def change_of_run(expected: FlowRunState, following: FlowRunState) -> list[Argument]:
    """The change of the flow state of a run.

    Like the other changes it raises ValidationError for what is no such state or snapshot, and InternalError for one
    that cannot be stored.
    """
    before = _encoded_flow("expected flow state", expected)
    return _change(FLOW_DIGEST, _flow_field, before, _encoded_flow("next flow state", following))


def change_of_frame(frame_id: str, expected: FrameSnapshot | None, following: FrameSnapshot) -> list[Argument]:
    """The change of one frame; expected None means that it must be absent."""
    before = None if expected is None else _encoded_frame("expected frame", expected)
    return _named_change("frame_id", frame_id, before, _encoded_frame("next frame", following))


def change_of_loop(loop_instance_id: str, expected: LoopSnapshot | None, following: LoopSnapshot) -> list[Argument]:
    """The change of one loop; expected None means that it must be absent."""
    before = None if expected is None else _encoded_loop("expected loop", expected)
    return _named_change("loop_instance_id", loop_instance_id, before, _encoded_loop("next loop", following))


def fields_of_run(state: FlowRunState) -> list[Argument]:
    """Fields and values of a flow state as it is first written."""
    return _fields(FLOW_DIGEST, _flow_field, _encoded_flow("flow_state", state))


def fields_of_frame(frame_id: str, frame: FrameSnapshot) -> list[Argument]:
    """Fields and values of a frame as it is first written."""
    name = text("frame_id", frame_id)
    return _named_fields(name, _encoded_frame(f"frame {shown(name)}", frame))


def fields_of_loop(loop_instance_id: str, loop: LoopSnapshot) -> list[Argument]:
    """Fields and values of a loop as it is first written."""
    name = text("loop_instance_id", loop_instance_id)
    return _named_fields(name, _encoded_loop(f"loop {shown(name)}", loop))


def overwriting_loop(loop_instance_id: str, loop: LoopSnapshot) -> dict[str, list[Argument]]:
    """A loop that is written without a compare: its fields and values, and the fields of groups that it has not."""
    fields, encoded = fields_of_loop(loop_instance_id, loop), _encoded_loop("loop", loop)
    field = _group_field(pack(loop_instance_id))
    return {"loop": fields, "gone": [field(name) for name in OPTIONAL if name not in encoded.groups]}


def _encoded_flow(name: str, state: FlowRunState) -> Snapshot:
    return encode(instance(name, state, FlowRunState))


def _encoded_frame(name: str, frame: FrameSnapshot) -> Snapshot:
    state = vars(instance(name, frame, FrameSnapshot)).get("kernel_state")
    # the name is put together only where there is something to say
    encoded = encode(state if isinstance(state, FlowFrameState) else instance(_state_of(name), state, FlowFrameState))
    return beside(encoded, FrameSnapshot, unknown) if (unknown := frame.__pydantic_extra__) else encoded


def _encoded_loop(name: str, loop: LoopSnapshot) -> Snapshot:
    state = vars(instance(name, loop, LoopSnapshot)).get("kernel_state")
    encoded = encode(
        state if isinstance(state, LoopIterationState) else instance(_state_of(name), state, LoopIterationState)
    )
    return beside(encoded, LoopSnapshot, unknown) if (unknown := loop.__pydantic_extra__) else encoded


def _state_of(name: str) -> str:
    return f"the kernel_state of {name}"


def _flow_field(group: bytes) -> bytes:
    return FLOW_GROUP + group


def _group_field(name: bytes) -> Callable[[bytes], bytes]:
    """Gives the field that holds a group of the frame or loop of this packed name."""
    return lambda group: _TWO + name + pack(group)


def _named_change(argument: str, name: str, expected: Snapshot | None, following: Snapshot) -> list[Argument]:
    packed = pack(text(argument, name))
    return _change(_ONE + packed, _group_field(packed), expected, following)


def _named_fields(name: str, snapshot: Snapshot) -> list[Argument]:
    packed = pack(name)
    return _fields(_ONE + packed, _group_field(packed), snapshot)


def _fields(digest_field: bytes, field: Callable[[bytes], bytes], snapshot: Snapshot) -> list[Argument]:
    fields: list[Argument] = [digest_field, snapshot.digest]
    for name, group in snapshot.groups.items():
        fields += (field(name), group.data)
    return fields


def _change(
    digest_field: bytes, field: Callable[[bytes], bytes], expected: Snapshot | None, following: Snapshot
) -> list[Argument]:
    dropped: list[Argument] = []
    if expected is None:
        before, changed = ABSENT, following.groups
    else:
        before, changed = expected.digest, groups_changed(expected, following)
        if changed is None:
            changed = {
                name: group
                for name, group in following.groups.items()
                if (old := expected.groups.get(name)) is None or old.data != group.data
            }
            dropped = [field(name) for name in expected.groups if name not in following.groups]
    change: list[Argument] = [digest_field, before, following.digest, 2 * len(changed)]
    for name, group in changed.items():
        change += (field(name), group.data)
    change.append(len(dropped))
    return change + dropped
