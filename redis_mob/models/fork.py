"""What a forked run takes over of the run that it comes from: it is stored with it when it is created."""

from pydantic import Field

from redis_mob.models.base import U32, Items, JsonValue, Model, RunId, SortedDict, is_empty, is_none


class ForkedFrom(Model):
    """Where a run comes from: which run, and from which step or loop on it runs anew; None: what had not completed."""

    run_id: RunId
    from_step: str | None = Field(default=None, exclude_if=is_none)


class CarriedStep(Model):
    """What a step gave that is carried over, by the target that gave it: a member, an item, a signal.

    `items` is how many items it had, with `for_each`. `recorded` has the output of the step as a whole, if that is not
    what the values of its targets add up to by the definition of the forked run.
    """

    outputs: SortedDict[JsonValue] = SortedDict()
    items: U32 | None = Field(default=None, exclude_if=is_none)
    recorded: Items[JsonValue] = Field(default=(), exclude_if=is_empty)


class Carried(Model):
    """What is carried over of a run.

    `frames` holds the steps by the rest of their frame's id, behind the id of the run, and by node: both runs have the
    same ones. The body frames of a loop that is carried over are all there: what is not in them did not complete, and
    is skipped. `loops` says of each of these loops, by the rest of its instance's id, how many iterations it had.
    """

    frames: SortedDict[SortedDict[CarriedStep]] = SortedDict()
    loops: SortedDict[U32] = Field(default=SortedDict(), exclude_if=is_empty)

    def step(self, run_id: str, frame_id: str, node_id: str) -> CarriedStep | None:
        """What is carried over to a node of the forked run, None if nothing is."""
        return self.in_frame(run_id, frame_id).get(node_id)

    def in_frame(self, run_id: str, frame_id: str) -> SortedDict[CarriedStep]:
        """What is carried over to the nodes of a frame of the forked run."""
        return self.frames.get(frame_id.removeprefix(run_id), _NOTHING)

    def iterations(self, run_id: str, loop_instance_id: str) -> int | None:
        """How many iterations a loop of the forked run has, None if it is not carried over."""
        return self.loops.get(loop_instance_id.removeprefix(run_id))


_NOTHING: SortedDict[CarriedStep] = SortedDict()

NOTHING_CARRIED = Carried.unchecked()


def is_nothing_carried(value: object) -> bool:
    """Whether nothing is carried over: then it is not written."""
    return value == NOTHING_CARRIED
