"""Runs that are written to a file, and stored elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Unpack

from redis_mob.codec.arguments import flag, listed
from redis_mob.operations.admin.base import AdminBase
from redis_mob.operations.run_copies import ImportedRun, export, export_all, import_runs
from redis_mob.operations.run_list import Conditions, run_filter


class RunTransfer(AdminBase):
    """Export and import."""

    def export(self, run_ids: Sequence[str]) -> AsyncIterator[str]:
        """The lines of a file that holds these runs whole, each with all that belongs to it (contract: operations-207).

        Raises NotFoundError for a run that is not there, or that no fleet has started.
        """
        return export(self._storage, listed("run_ids", run_ids))

    def export_all(self, **which: Unpack[Conditions]) -> AsyncIterator[str]:
        """The same for all runs that a fleet has started, in the order of their creation; takes what `runs` does.

        The ids of all of them are held in memory, and the runs one after the other.
        """
        return export_all(self._storage, run_filter(**which))

    def import_runs(
        self, lines: Iterable[str], *, skip_existing: bool = False, include_unfinished: bool = False
    ) -> AsyncIterator[ImportedRun]:
        """Store the runs of the lines of such a file, one after the other, and tell of each (contract: operations-208).

        One that is there already is an error, or left as it is with `skip_existing`: so an import that was interrupted
        is gone on with. One that is not over is an error, or goes on here with `include_unfinished`.
        Raises CasConflictError for these, ValidationError naming the line for what is no export of runs.
        """
        return import_runs(
            self._storage,
            lines,
            skip_existing=flag("skip_existing", skip_existing),
            include_unfinished=flag("include_unfinished", include_unfinished),
        )
