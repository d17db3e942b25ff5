"""Building a list of inputs while looking at the machine that they lead to."""

from __future__ import annotations

from typing import NamedTuple

from redis_mob.kernel import commands as tell
from redis_mob.kernel.commands import Frame, Run
from redis_mob.kernel.machine import FlowMachine, apply
from redis_mob.kernel.run import node_slot_free
from redis_mob.models.authority import FlowAuthorityInput
from redis_mob.models.flow import FlowFrameState


class Move(NamedTuple):
    """One step of a run: the inputs for its log, in order, and the machine after them."""

    inputs: tuple[FlowAuthorityInput, ...]
    machine: FlowMachine


class Draft:
    """Inputs under construction. Every addition is applied at once; raises KernelError as `apply` does."""

    def __init__(self, machine: FlowMachine) -> None:
        self.machine = machine
        self._inputs: list[FlowAuthorityInput] = []

    def add(self, *inputs: FlowAuthorityInput) -> None:
        """Applies and keeps these inputs."""
        self.machine = apply(self.machine, *inputs)
        self._inputs.extend(inputs)

    def done(self) -> Move:
        """The inputs so far, and where they lead."""
        return Move(tuple(self._inputs), self.machine)

    def frame(self, frame_id: str) -> FlowFrameState:
        """The state of a frame by now."""
        return self.machine.frame(frame_id)

    def run(self, command: Run) -> None:
        """A command to the run as a whole."""
        self.add(tell.on_run(self.machine.run_id, command))

    def scheduler(self, command: Run, *, frame_id: str | None = None, loop: str | None = None) -> None:
        """A command about slots and queues."""
        self.add(tell.on_scheduler(self.machine.run_id, command, frame_id=frame_id, loop_instance_id=loop))

    def node(self, frame_id: str, command: Frame, node_id: str) -> None:
        """A command to one node."""
        self.add(tell.on_node(frame_id, command, node_id))

    def sync_registration(self, frame_id: str) -> None:
        """Makes the run's list of ready frames tell the truth about this frame: listed while its queue is not empty.

        A queue can run empty without a grant, when a branch gets its winner.
        """
        registered = frame_id in self.machine.flow_state.ready_frame_membership
        if self.frame(frame_id).ready_queue and not registered:
            self.scheduler(Run.REGISTER_READY_FRAME, frame_id=frame_id)
        elif registered and not self.frame(frame_id).ready_queue:
            earlier = self.unregister_through(frame_id)
            for other in earlier:
                self.scheduler(Run.REGISTER_READY_FRAME, frame_id=other)

    def unregister_through(self, frame_id: str) -> tuple[str, ...]:
        """Takes this ready frame off the list; the answer is the frames before it, which had to go too.

        The machine has no input for that but a grant, which only the first frame gets, and its immediate return.
        """
        ready = self.machine.flow_state.ready_frame_membership
        through = ready[: ready.index(frame_id) + 1]
        for other in through:
            self._grant_and_return(other)
        return through[:-1]

    def _grant_and_return(self, frame_id: str) -> None:
        turn = (Run.PUMP_NODE_SCHEDULER, Run.NODE_EXECUTION_RELEASED)
        for command in turn if node_slot_free(self.machine.flow_state) else reversed(turn):
            self.scheduler(command, frame_id=frame_id)
