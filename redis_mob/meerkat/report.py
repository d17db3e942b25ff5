"""What an import tells: what came, what is kept without being understood, and what could not be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import cast

from redis_mob.models.base import Model, json_text


@dataclass(frozen=True, slots=True)
class Failure:
    """A row that is not stored, and why."""

    table: str
    row: str
    reason: str


@dataclass(slots=True)
class Report:
    """Counts by kind: events, runs, specs, supervisors, overlays, profiles, and the tables that are kept verbatim."""

    file: str
    release: str
    is_dry: bool
    came: Counter[str] = field(default_factory=Counter[str])
    already: Counter[str] = field(default_factory=Counter[str])
    verbatim: Counter[str] = field(default_factory=Counter[str])
    left_out: Counter[str] = field(default_factory=Counter[str])
    """What is not kept verbatim, since records are not sealed; what is known of it came."""
    failures: list[Failure] = field(default_factory=list[Failure])
    is_repeated: bool = False
    """Whether the file had been imported before as a whole; `failures` are those of that import."""
    failures_left_out: int = 0
    """How many failures of that import are not among them."""

    def as_json(self) -> str:
        """The report as one JSON object."""
        return json_text(
            {
                "file": self.file,
                "release": self.release,
                "dry_run": self.is_dry,
                "imported_before": self.is_repeated,
                "came": dict(self.came),
                "already": dict(self.already),
                "verbatim": dict(self.verbatim),
                "left_out": dict(self.left_out),
                "failed": [asdict(one) for one in self.failures],
                "failed_left_out": self.failures_left_out,
            }
        )

    def lines(self) -> list[str]:
        """The report in words."""
        if self.is_repeated:
            return [f"{self.file} has been imported already; nothing was changed", *self._failed()]
        came = "would come" if self.is_dry else "came"
        lines = [f"{self.file}: {self.release}"]
        kinds = [*self.came, *(kind for kind in self.already if kind not in self.came)]
        for kind in kinds:
            there = f", {self.already[kind]:,} were there already" if self.already[kind] else ""
            lines.append(f"{kind}: {self.came[kind]:,} {came}{there}")
        lines += [f"kept verbatim: {count:,} {what}" for what, count in self.verbatim.items()]
        lines += [f"not kept verbatim: {count:,} {what}" for what, count in self.left_out.items()]
        return [*lines, *self._failed()]

    def _failed(self) -> list[str]:
        lines = [f"could not be read: {one.table}, {one.row}: {one.reason}" for one in self.failures]
        if self.failures_left_out:
            lines.append(f"could not be read: {self.failures_left_out:,} more, which --dry-run names too")
        return lines


def unknown_fields(value: object) -> int:
    """How many fields a model has, at any depth, that this release does not know."""
    if isinstance(value, Model):
        fields = vars(value)
        return len(value.model_extra or ()) + sum(map(unknown_fields, fields.values()))
    if isinstance(value, tuple | list):
        return sum(map(unknown_fields, cast("Sequence[object]", value)))
    if isinstance(value, dict):
        return sum(map(unknown_fields, cast("Mapping[object, object]", value).values()))
    return 0
