"""Whether a transition can be committed: what a server is sent of it, and what it relies on without looking."""

from __future__ import annotations

from redis_mob.codec import ledgers
from redis_mob.codec.arguments import instance, member, moment, storable
from redis_mob.codec.asks import ask_changes
from redis_mob.codec.changes import change_of_frame, change_of_loop, change_of_run
from redis_mob.codec.events import encode_new_event, require_terminal
from redis_mob.codec.inputs import encode_inputs
from redis_mob.codec.items import execution_changes
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.transition import Transition


def check_transition(transition: Transition) -> None:
    """Checks what no encoder of a part looks at.

    Raises ValidationError if it is of another class. Raises InternalError for a status that is none, for a time
    without a zone, and for a terminal event that ends no flow.
    """

    def check() -> None:
        member("the status before", transition.before.run.status, MobRunStatus)
        member("the status after", transition.run.status, MobRunStatus)
        if transition.look_again_at is not None:
            moment("look_again_at", transition.look_again_at)
        for event in transition.terminal_events:
            require_terminal(event)

    instance("transition", transition, Transition)
    storable("the transition", check)


def require_encodable(transition: Transition) -> None:
    """Raises InternalError for a part that a server could not be sent, for a store that sends none of them."""
    before, after = transition.before, transition.run

    def encode() -> None:
        change_of_run(before.run.flow_state, after.flow_state)
        for name, frame in after.frames.items():
            if (frame_before := before.run.frames.get(name)) is not frame:
                change_of_frame(name, frame_before, frame)
        for name, loop in after.loops.items():
            if (loop_before := before.run.loops.get(name)) is not loop:
                change_of_loop(name, loop_before, loop)
        execution_changes(transition)
        list(ask_changes(transition))
        encode_inputs(after.run_id, transition.inputs)
        for recorded in transition.outputs:
            ledgers.encode_recorded(recorded)
        for row in (*transition.step_rows, *transition.step_rows_once):
            ledgers.step_arguments(row)
        for failure in transition.failure_rows:
            ledgers.failure_row(failure)
        for iteration in transition.iteration_rows:
            ledgers.iteration_row(iteration)
        for event in (*transition.events, *transition.terminal_events):
            encode_new_event(event)

    storable("the transition", encode)
