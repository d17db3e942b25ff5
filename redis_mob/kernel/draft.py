"""Builds a list of inputs, and applies each one at once to the machine that it leads to."""

from __future__ import annotations

from redis_mob.errors import KernelError, shown
from redis_mob.kernel.commands import SETTLED_AS, Frame, Loop, Run
from redis_mob.kernel.machine import FlowMachine, apply
from redis_mob.kernel.run import node_slot_free
from redis_mob.models.authority import (
    AuthorizeFlowFrameReducerCommand,
    AuthorizeFlowRunReducerCommand,
    AuthorizeLoopIterationReducerCommand,
    FlowAuthorityInput,
    FrameCommand,
    LoopCommand,
    RunCommand,
)
from redis_mob.models.flow import FlowFrameState, FramePhase, NodeStatus

_STEP_STATUS = {
    Run.DISPATCH_STEP: "Dispatched",
    Run.COMPLETE_STEP: "Completed",
    Run.FAIL_STEP: "Failed",
    Run.SKIP_STEP: "Skipped",
    Run.CANCEL_STEP: "Canceled",
}


class Draft:
    """The inputs of one transition, in order, and the machine after them.

    Every method adds inputs and raises KernelError as `apply` does. After an error the draft may hold a part of what
    was to be added: throw it away, nothing of it is stored.
    """

    def __init__(self, machine: FlowMachine) -> None:
        self.machine = machine
        self._inputs: list[FlowAuthorityInput] = []

    @property
    def inputs(self) -> tuple[FlowAuthorityInput, ...]:
        """The inputs so far."""
        return tuple(self._inputs)

    def add(self, *inputs: FlowAuthorityInput) -> None:
        """Apply and keep these inputs."""
        self.machine = apply(self.machine, *inputs)
        self._inputs.extend(inputs)

    def frame(self, frame_id: str) -> FlowFrameState:
        """The state of a frame after the inputs so far."""
        return self.machine.frame(frame_id)

    def run(self, command: Run) -> None:
        """A command to the run as a whole."""
        self._run(RunCommand.unchecked(run_id=self.machine.run_id, command=command.value))

    def step(self, command: Run, step_id: str, *, frame_id: str | None = None, node_id: str | None = None) -> None:
        """A command about one step; a projection also names the frame and the node it is taken from."""
        run_id = self.machine.run_id
        self._run(
            RunCommand.unchecked(
                run_id=run_id,
                command=command.value,
                step_id=step_id,
                run_step_key=f"{run_id}\0{step_id}",
                step_status=_STEP_STATUS.get(command),
                frame_id=frame_id,
                node_id=node_id,
            )
        )

    def scheduler(self, command: Run, *, frame_id: str | None = None, loop: str | None = None) -> None:
        """A command about the run's slots and queues, for one frame or one loop."""
        self._run(
            RunCommand.unchecked(
                run_id=self.machine.run_id, command=command.value, frame_id=frame_id, loop_instance_id=loop
            )
        )

    def node(self, frame_id: str, command: Frame, node_id: str) -> None:
        """A command about one node of a frame."""
        status = NodeStatus.RUNNING if command is Frame.ADMIT_NEXT_READY_NODE else SETTLED_AS.get(command)
        self._frame(
            FrameCommand.unchecked(
                frame_id=frame_id,
                command=command.value,
                node_id=node_id,
                frame_node_key=f"{frame_id}\0{node_id}",
                node_status=None if status is None else status.value,
            )
        )

    def seal(self, frame_id: str, phase: FramePhase) -> None:
        """End a frame."""
        self._frame(
            FrameCommand.unchecked(frame_id=frame_id, command=Frame.SEAL_FRAME.value, terminal_status=phase.value)
        )

    def loop(
        self, loop_id: str, command: Loop, *, body_frame_id: str | None = None, iteration: int | None = None
    ) -> None:
        """A command to a loop instance; the two about its body name the body's frame and iteration."""
        command_of_loop = LoopCommand.unchecked(
            loop_instance_id=loop_id, command=command.value, body_frame_id=body_frame_id, body_frame_iteration=iteration
        )
        self.add(AuthorizeLoopIterationReducerCommand.unchecked(payload=command_of_loop))

    def end_step_node(self, frame_id: str, command: Frame, node_id: str, *, has_slot: bool = True) -> None:
        """End a running step node, give back the slot that it has, and list the frame if other nodes became ready."""
        if self.machine.step_of(frame_id, node_id) is None:
            raise KernelError(
                f"node {shown(node_id)} of frame {shown(frame_id)} runs no step; only its loop can end it"
            )
        self.node(frame_id, command, node_id)
        if has_slot:
            self.scheduler(Run.NODE_EXECUTION_RELEASED, frame_id=frame_id)
        self.sync_registration(frame_id)

    def sync_registration(self, frame_id: str) -> None:
        """Make the run's list of ready frames agree with this frame: listed while its queue is not empty.

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
        """Take this frame off the list of ready frames; returns the frames before it, which had to be taken off too.

        The machine has no input that takes a frame off, except a grant. Only the first frame of the list gets one, so
        every frame up to this one gets a grant, and returns the slot at once.
        """
        ready = self.machine.flow_state.ready_frame_membership
        through = ready[: ready.index(frame_id) + 1]
        for other in through:
            self._grant_and_return(other)
        return through[:-1]

    def _grant_and_return(self, frame_id: str) -> None:
        # With every slot taken there is none to grant: a slot is returned first, and taken again by the grant.
        turn = (Run.PUMP_NODE_SCHEDULER, Run.NODE_EXECUTION_RELEASED)
        for command in turn if node_slot_free(self.machine.flow_state) else reversed(turn):
            self.scheduler(command, frame_id=frame_id)

    def _run(self, command: RunCommand) -> None:
        self.add(AuthorizeFlowRunReducerCommand.unchecked(payload=command))

    def _frame(self, command: FrameCommand) -> None:
        self.add(AuthorizeFlowFrameReducerCommand.unchecked(payload=command))
