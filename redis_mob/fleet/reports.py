"""The outcomes that wait for the next decision on their run. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from redis_mob.fleet.engine import Report
from redis_mob.fleet.outcome import Failed
from redis_mob.fleet.said import bounded


class Reports:
    """Outcomes in the order in which they came; all that wait are decided together, unless one cannot be settled."""

    def __init__(self) -> None:
        self._waiting: list[Report] = []
        self._one_by_one = False
        """One of them cannot be settled: they are taken singly until it is found."""

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, report: Report) -> None:
        """Let an outcome wait."""
        self._waiting.append(report)

    def take(self, held: Sequence[Report]) -> list[Report]:
        """Those that are decided next, beside these, whose decision was lost."""
        number = len(self._waiting)
        if self._one_by_one:
            number = 0 if held else 1
        taken, self._waiting = self._waiting[:number], self._waiting[number:]
        self._one_by_one = self._one_by_one and bool(self._waiting or taken)
        return taken

    def put_back(self, held: Sequence[Report]) -> None:
        """Let these wait again, before the others."""
        self._waiting[:0] = held

    def without_the_unsettled(self, reports: Sequence[Report], error: Exception) -> list[Report]:
        """The report to go on with after one of these could not be settled; raises the error if none can be at fault.

        What cannot be settled once never can. Its execution fails, or its lease would expire and it would be tried
        again for ever. Others that came with it are settled one after the other, so that they do not fail with it.
        """
        if len(reports) > 1:
            self._one_by_one = True
            self._waiting[:0] = reports[1:]
            return list(reports[:1])
        if not reports or reports[0].is_replaced:
            raise error
        reason = bounded(f"its outcome cannot be settled: {type(error).__name__}: {error}")
        return [reports[0]._replace(outcome=Failed(reason, retryable=False), is_replaced=True)]
