"""The names of the keys of one run, and which run a key is of."""

from __future__ import annotations

from collections.abc import Sequence

_OF_RUN = ":run:"
_ID = 36


class RunKeys:
    """The keys of one run. All share the hash tag of the namespace."""

    __slots__ = ("run", "run_id")

    def __init__(self, prefix: str, run_id: str) -> None:
        self.run_id = run_id
        self.run = prefix + run_id
        """Hash: status, times, ids, parameters, the groups and digest of the flow state."""

    @property
    def parts(self) -> list[str]:
        """The keys that hold a run, in the order in which lua/lib/run_parts and run_creation take them."""
        return [
            self.run,
            self.frames,
            self.loops,
            self.outputs,
            self.steps,
            self.step_outputs,
            self.failures,
            self.iterations,
            self.authority,
        ]

    @property
    def core(self) -> list[str]:
        """The keys that hold the core of a run, in the order in which lua/lib/run_parts takes them."""
        return [self.run, self.frames, self.loops, self.outputs, self.failures]

    @property
    def frames(self) -> str:
        """Hash: groups and digest of every frame."""
        return f"{self.run}:frames"

    @property
    def loops(self) -> str:
        """Hash: groups and digest of every loop."""
        return f"{self.run}:loops"

    @property
    def outputs(self) -> str:
        """Hash: root and loop-iteration outputs, with their order of insertion."""
        return f"{self.run}:outputs"

    @property
    def steps(self) -> str:
        """List: the step ledger, in order."""
        return f"{self.run}:steps"

    @property
    def step_outputs(self) -> str:
        """Hash: the outputs of the rows of the step ledger, by row number."""
        return f"{self.run}:step_outputs"

    @property
    def failures(self) -> str:
        """List: the failure ledger, in order."""
        return f"{self.run}:failures"

    @property
    def iterations(self) -> str:
        """List: the loop-iteration ledger, in order."""
        return f"{self.run}:iterations"

    @property
    def authority(self) -> str:
        """List: the authority inputs, in order."""
        return f"{self.run}:authority"

    @property
    def index(self) -> str:
        """Hash: which ledger entries exist, for the conditional appends."""
        return f"{self.run}:index"

    @property
    def executions(self) -> str:
        """Hash: the executions of steps by members: attempts, leases, fencing tokens, results; signals that wait."""
        return f"{self.run}:executions"

    @property
    def progress(self) -> str:
        """Stream, which expires: what handlers have told; the id of an entry is `0-<offset>`."""
        return f"{self.run}:progress"

    @property
    def published(self) -> str:
        """Hash: the values that handlers have published, by name."""
        return f"{self.run}:published"

    @property
    def cursors(self) -> str:
        """List: which events of the log the commits of the run have appended (lua/lib/recorded_events)."""
        return f"{self.run}:cursors"

    @property
    def deletion(self) -> str:
        """Hash: how far the deletion of the run is, from when it is gone until nothing of it is left."""
        return f"{self.run}:deletion"

    @property
    def deleted_cursors(self) -> str:
        """List: the cursors of a run that is deleted, as far as their events are still in the log."""
        return f"{self.run}:deleted_cursors"

    @property
    def tombstone(self) -> str:
        """Hash, which expires: keeps the id of a deleted run from being given to another one."""
        return f"{self.run}:tombstone"


def first_run_of(keys: Sequence[str | bytes]) -> str | None:
    """The id of the run that the first of these keys is of which is of a run."""
    for key in keys:
        name = key if isinstance(key, str) else key.decode()
        # the tag before it may have anything but braces in it
        behind = name.partition("}")[2]
        if behind.startswith(_OF_RUN):
            return behind[len(_OF_RUN) : len(_OF_RUN) + _ID]
    return None
