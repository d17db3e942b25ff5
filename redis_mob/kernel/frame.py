"""The frame machine: which nodes of a frame are ready, running and over (contract: kernel-16)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from operator import itemgetter
from typing import Any

from redis_mob.errors import KernelError, shown
from redis_mob.kernel.commands import SETTLED_AS, Frame
from redis_mob.models.authority import FrameCommand, FrameSeed
from redis_mob.models.base import presorted
from redis_mob.models.flow import DependencyMode, FlowFrameState, FramePhase, NodeKind, NodeStatus
from redis_mob.models.remembered import remembered

ENDED = frozenset({NodeStatus.COMPLETED, NodeStatus.FAILED, NodeStatus.SKIPPED, NodeStatus.CANCELED})
"""The statuses that a node never leaves."""

UNREACHED = frozenset({NodeStatus.FAILED, NodeStatus.SKIPPED, NodeStatus.CANCELED})
"""The statuses of a dependency that can no longer be met."""


_MEMORY = "_first"
"""Where the seed of a frame remembers the first state of one."""

_OWN = {"run_id", "frame_id", "frame_scope", "loop_instance_id", "iteration"}
_nodes_of = itemgetter(*(name for name in FrameSeed.model_fields if name not in _OWN))
"""What a seed says of nodes."""


def seeded(seed: FrameSeed) -> FlowFrameState:
    """The first state of a frame.

    Raises KernelError, naming the node, unless the seed describes exactly the tracked nodes: each in the order once,
    with a kind, a status, known dependencies, and a step id or a loop id by its kind; those without dependencies
    Ready and queued, the others Pending (contract: kernel-16).
    """
    own = {
        "frame_id": seed.frame_id,
        "frame_scope": seed.frame_scope,
        "loop_instance_id": seed.loop_instance_id or "",
        "iteration": seed.iteration,
    }
    # the seeds of one definition are copies of each other, and their frames begin alike but for these
    state = remembered(seed, _MEMORY, _nodes_of(vars(seed)), lambda: _made_state(seed, own))
    return state.model_copy(update=own)


def _made_state(seed: FrameSeed, own: Mapping[str, Any]) -> FlowFrameState:
    _check_seed(seed)
    nodes = seed.tracked_nodes
    return FlowFrameState(
        phase=FramePhase.RUNNING,
        **own,
        last_admitted_node="",
        tracked_nodes=nodes,
        ordered_nodes=seed.ordered_nodes,
        node_kind=seed.node_kind,
        node_dependencies=presorted((node, seed.node_dependencies.get(node, ())) for node in nodes),
        node_dependency_modes=presorted(
            (node, seed.node_dependency_modes.get(node, DependencyMode.ALL)) for node in nodes
        ),
        node_branches=presorted((node, seed.node_branches.get(node)) for node in nodes),
        branch_winners=(),
        node_status=seed.node_status,
        ready_queue=seed.ready_queue,
        output_recorded=presorted((node, False) for node in nodes),
        node_condition_results=presorted((node, None) for node in nodes),
    )


def _check_seed(seed: FrameSeed) -> None:
    tracked = seed.tracked_nodes
    if tuple(sorted(seed.ordered_nodes)) != tracked:
        raise KernelError(
            f"frame {shown(seed.frame_id)}: the order {seed.ordered_nodes} is not one of the nodes {tracked}"
        )
    known = set(tracked)
    for field, described in (("kinds", seed.node_kind), ("statuses", seed.node_status)):
        if described.keys() != known:
            odd = ", ".join(sorted(described.keys() ^ known))
            raise KernelError(f"frame {shown(seed.frame_id)}: nodes and {field} do not match: {odd}")
    for node in seed.ordered_nodes:
        _check_seeded_node(seed, node, known)
    queue = tuple(node for node in seed.ordered_nodes if seed.node_status[node] is NodeStatus.READY)
    if seed.ready_queue != queue:
        raise KernelError(f"frame {shown(seed.frame_id)}: the ready queue is {seed.ready_queue}, not {queue}")


def _check_seeded_node(seed: FrameSeed, node: str, known: set[str]) -> None:
    where = f"frame {shown(seed.frame_id)}, node {shown(node)}"
    dependencies = seed.node_dependencies.get(node, ())
    if not known.issuperset(dependencies):
        raise KernelError(f"{where}: unknown dependencies in {dependencies}")
    first = NodeStatus.PENDING if dependencies else NodeStatus.READY
    if seed.node_status[node] is not first:
        raise KernelError(f"{where}: a new node with dependencies {dependencies} is {first}")
    is_step = seed.node_kind[node] is NodeKind.STEP
    if (node in seed.node_step_ids, node in seed.node_loop_ids) != (is_step, not is_step):
        raise KernelError(
            f"{where}: a {seed.node_kind[node]} node has a {'step' if is_step else 'loop'} id and no other"
        )


def transition(state: FlowFrameState, command: FrameCommand) -> FlowFrameState:
    """The state after a command.

    Raises KernelError, naming frame and node, when the frame is sealed already, the node is not where the command
    needs it, or a seal does not fit the nodes (contract: kernel-17, kernel-18, kernel-20, kernel-21).
    """
    if state.phase is not FramePhase.RUNNING:
        raise KernelError(f"frame {shown(state.frame_id)} is {state.phase}; {command.command} needs it Running")
    handler = _HANDLERS.get(command.command)
    if handler is None:
        raise KernelError(f"frame {shown(state.frame_id)}: {shown(command.command)} is no command of the frame machine")
    return handler(state, command)


def outcome(state: FlowFrameState) -> FramePhase:
    """What a frame whose nodes are all over is sealed as.

    Failed if a node failed, except a member of a branch that has a winner; else Canceled if a node was canceled;
    else Completed (contract: kernel-22, kernel-23).
    """
    failed = [node for node, status in state.node_status.items() if status is NodeStatus.FAILED]
    won = state.branch_winners
    return _phase(state, any(state.node_branches.get(node) not in won for node in failed))


def _strict_outcome(state: FlowFrameState) -> FramePhase:
    # What the original machine seals, which logs written by it hold.
    return _phase(state, NodeStatus.FAILED in state.node_status.values())


def _phase(state: FlowFrameState, failed: bool) -> FramePhase:
    if failed:
        return FramePhase.FAILED
    canceled = NodeStatus.CANCELED in state.node_status.values()
    return FramePhase.CANCELED if canceled else FramePhase.COMPLETED


def all_ended(state: FlowFrameState) -> bool:
    """Whether every node of the frame is over; so it is in a frame without nodes."""
    return ENDED.issuperset(state.node_status.values())


def _node(state: FlowFrameState, command: FrameCommand) -> str:
    if command.node_id is None or command.node_id not in state.node_status:
        raise KernelError(f"frame {shown(state.frame_id)} has no node {shown(command.node_id)} ({command.command})")
    return command.node_id


def _admit(state: FlowFrameState, command: FrameCommand) -> FlowFrameState:
    node = _node(state, command)
    if node not in state.ready_queue:
        raise KernelError(
            f"frame {shown(state.frame_id)}: node {shown(node)} is {state.node_status[node]}, not in the ready queue"
        )
    branch = state.node_branches.get(node)
    rivals = () if branch is None else _queued_rivals(state, node, branch)
    changed = ((node, NodeStatus.RUNNING), *((rival, NodeStatus.PENDING) for rival in rivals))
    queue = _without(state.ready_queue, node)
    for rival in rivals:
        queue = _without(queue, rival)
    return state.model_copy(
        update={
            "node_status": state.node_status.set(*changed),
            "ready_queue": queue,
            "last_admitted_node": node,
        }
    )


def _queued_rivals(state: FlowFrameState, node: str, branch: str) -> list[str]:
    return [other for other in state.ready_queue if other != node and state.node_branches.get(other) == branch]


def _without(queue: tuple[str, ...], node: str) -> tuple[str, ...]:
    position = queue.index(node)
    return queue[:position] + queue[position + 1 :]


def _settle(state: FlowFrameState, command: FrameCommand) -> FlowFrameState:
    node = _node(state, command)
    if state.node_status[node] is not NodeStatus.RUNNING:
        raise KernelError(
            f"frame {shown(state.frame_id)}: {command.command} needs node {shown(node)} Running; "
            f"it is {state.node_status[node]}"
        )
    settled = SETTLED_AS[Frame(command.command)]
    changed = {node: settled}
    update: dict[str, object] = {}
    branch = state.node_branches.get(node)
    if settled is NodeStatus.COMPLETED and branch is not None:
        changed |= dict.fromkeys(_rivals_not_begun(state, branch), NodeStatus.SKIPPED)
        update["branch_winners"] = tuple(sorted({*state.branch_winners, branch}))
    if NodeStatus.PENDING in state.node_status.values():
        changed |= _decided_by(state, changed)
    # What changes is set, and not all statuses made anew: the codec and the log then know what changed without looking.
    update["node_status"] = statuses = state.node_status.set(*changed.items())
    # Most results make no node ready. Then only nodes that were skipped leave the queue, and no order is to be made.
    candidates = state.ordered_nodes if NodeStatus.READY in changed.values() else state.ready_queue
    queue = tuple(node for node in candidates if statuses[node] is NodeStatus.READY)
    if queue != state.ready_queue:
        update["ready_queue"] = queue
    return state.model_copy(update=update)


def _rivals_not_begun(state: FlowFrameState, branch: str) -> Iterator[str]:
    for node, other in state.node_branches.items():
        if other == branch and state.node_status[node] in (NodeStatus.PENDING, NodeStatus.READY):
            yield node


def _decided_by(state: FlowFrameState, changed: Mapping[str, NodeStatus]) -> dict[str, NodeStatus]:
    """The Pending nodes that can be decided now that these have changed, and as what.

    One pass is enough, because the order has every node after its dependencies.
    """
    statuses = {**state.node_status, **changed}
    decided: dict[str, NodeStatus] = {}
    for node in [node for node in state.ordered_nodes if statuses[node] is NodeStatus.PENDING]:
        needed = state.node_dependencies[node]
        any_of = state.node_dependency_modes[node] is DependencyMode.ANY
        if needed and (all if any_of else any)(statuses[other] in UNREACHED for other in needed):
            statuses[node] = decided[node] = NodeStatus.SKIPPED
        elif not needed or (any if any_of else all)(statuses[other] is NodeStatus.COMPLETED for other in needed):
            statuses[node] = decided[node] = NodeStatus.READY
    return decided


def _record_output(state: FlowFrameState, command: FrameCommand) -> FlowFrameState:
    recorded = state.output_recorded.set((_node(state, command), True))
    return state.model_copy(update={"output_recorded": recorded})


def _seal(state: FlowFrameState, command: FrameCommand) -> FlowFrameState:
    if not all_ended(state):
        open_nodes = sorted(node for node, status in state.node_status.items() if status not in ENDED)
        raise KernelError(f"frame {shown(state.frame_id)} cannot be sealed; not over yet: {', '.join(open_nodes)}")
    fitting = (outcome(state), _strict_outcome(state))
    if command.terminal_status not in fitting:
        raise KernelError(f"frame {shown(state.frame_id)} ends {fitting[0]}, not {command.terminal_status}")
    phase = FramePhase(command.terminal_status)
    return state.model_copy(update={"phase": phase})


_HANDLERS: dict[str, Callable[[FlowFrameState, FrameCommand], FlowFrameState]] = {
    Frame.ADMIT_NEXT_READY_NODE: _admit,
    **dict.fromkeys(SETTLED_AS, _settle),
    Frame.RECORD_NODE_OUTPUT: _record_output,
    Frame.SEAL_FRAME: _seal,
}
