"""Sub-flows: a step that runs another flow of its mob, and the run of that, which is its child."""

from pydantic import Field

from redis_mob.models.base import Items, JsonValue, Model, RunId, SortedDict, is_none
from redis_mob.models.execution_key import ExecutionKey

MOST_NESTED = 16
"""How many runs may stand in one line of parents and children, the outermost among them."""

CHILD_NEWS = "redis_mob.child"
"""The name of the signal that tells a run of the end of a child: no step waits for it."""

RESERVED = "redis_mob."
"""What names of signals begin with that are those of the engine."""


class ChildRun(Model):
    """The run that an execution of a step with `flow` waits for: of which flow, its id, and its parameters."""

    flow: str
    run_id: RunId
    params: JsonValue | None = Field(default=None, exclude_if=is_none)


class ParentRun(Model):
    """The run that a child belongs to, and the execution there that waits for it.

    `flows` are those of all runs above the child, the outermost first. `conversation` is that of the outermost one,
    which the child reads (contract: conversation-10).
    """

    run_id: RunId
    step_id: str
    frame_id: str
    node_id: str
    target: str
    flows: Items[str]
    conversation: str | None = Field(default=None, exclude_if=is_none)

    @property
    def key(self) -> ExecutionKey:
        """The execution that waits."""
        return ExecutionKey(self.frame_id, self.node_id, self.target)


class SubflowTerms(Model):
    """What holds for the runs of a flow that a step runs, as it was when the outermost run was started.

    `schemas` are those of its steps, `params_schema` is that of its parameters: true if it has none.
    """

    schemas: SortedDict[JsonValue] = SortedDict()
    params_schema: JsonValue = True
