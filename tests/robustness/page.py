"""The report of a campaign: a page, its figures as JSON, and plots.

    python -m tests.robustness.page FILE.jsonl... --page docs/robustness.md --directory docs/robustness

The page is made of the lines alone, and of what this machine is: the same lines give the same page on the same day.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from typing import Any

from redis_mob.bench.output.plots import require_plots
from redis_mob.connection.embedded.server_process import find_server
from redis_mob.testing.robustness.nemeses import NEMESES
from redis_mob.testing.robustness.saboteurs import SABOTEURS
from redis_mob.testing.robustness.verdict import Verdict, verdict_in
from redis_mob.version import __version__

Place = tuple[str, str, str, str]
"""(traffic, topology, durability, nemesis)."""


@dataclass
class Group:
    """All histories of one kind."""

    histories: int = 0
    operations: int = 0
    longest: int = 0
    anomalies: int = 0
    undecided: int = 0
    told_losses: int = 0
    clients_told: int = 0
    unknown: int = 0
    seeds: list[int] = field(default_factory=list[int])
    recoveries: list[float] = field(default_factory=list[float])

    def take(self, verdict: Verdict) -> None:
        """Count one more history."""
        self.histories += 1
        self.operations += verdict.operations
        self.longest = max(self.longest, verdict.operations)
        self.anomalies += len(verdict.anomalies)
        self.undecided += verdict.undecided
        self.told_losses += verdict.told_losses
        self.clients_told += verdict.clients_told
        self.unknown += verdict.outcomes.get("unknown", 0)
        self.seeds.append(verdict.setting.seed)
        self.recoveries += verdict.recoveries

    @property
    def recovery(self) -> tuple[float, float, float] | None:
        """Seconds: median, 99th percentile and maximum; None without a trouble that was followed to its end."""
        if not self.recoveries:
            return None
        cuts = (
            quantiles(self.recoveries, n=100, method="inclusive") if len(self.recoveries) > 1 else self.recoveries * 99
        )
        return cuts[49], cuts[98], max(self.recoveries)


@dataclass
class Campaign:
    """What the lines of a campaign say."""

    groups: dict[Place, Group] = field(default_factory=lambda: defaultdict[Place, Group](Group))
    skipped: dict[str, str] = field(default_factory=dict[str, str])
    broken: list[Verdict] = field(default_factory=list[Verdict])
    saboteurs: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    commands: dict[Place, str] = field(default_factory=dict[Place, str])

    @property
    def figures(self) -> dict[str, Any]:
        """All figures, for machines."""
        rows = [
            {
                **dict(zip(("traffic", "topology", "durability", "nemesis"), place, strict=True)),
                "histories": group.histories,
                "operations": group.operations,
                "anomalies": group.anomalies,
                "undecided": group.undecided,
                "told_losses": group.told_losses,
                "clients_told": group.clients_told,
                "unknown_outcomes": group.unknown,
                "recovery_seconds": [round(one, 4) for one in group.recovery or ()],
                "seeds": group.seeds,
                "command": self.commands[place],
            }
            for place, group in sorted(self.groups.items())
        ]
        return {**_machine(), "histories": rows, "saboteurs": list(self.saboteurs.values()), "skipped": self.skipped}


def read(files: Iterable[Path]) -> Campaign:
    """The campaign that these files tell."""
    campaign = Campaign()
    for file in files:
        for line in file.read_text().splitlines():
            if "setting" not in (values := json.loads(line)):
                campaign.saboteurs[values["saboteur"]] = values
                continue
            verdict = verdict_in(line)
            setting = verdict.setting
            if verdict.skipped:
                campaign.skipped[f"{setting.topology}, {setting.durability}, {setting.nemesis}"] = verdict.skipped
                continue
            place = (setting.traffic, setting.topology, setting.durability, setting.nemesis)
            campaign.groups[place].take(verdict)
            campaign.commands[place] = setting.command
            if not verdict.is_sound:
                campaign.broken.append(verdict)
    return campaign


def _machine() -> dict[str, Any]:
    cpu = next(
        (line.partition(":")[2].strip() for line in _cpu_info() if line.startswith("model name")), platform.machine()
    )
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "redis_mob": __version__,
        "server": _server(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "cpu": cpu,
        "cores": os.cpu_count(),
    }


def _server() -> str:
    said = subprocess.run([str(find_server()), "--version"], capture_output=True, text=True, check=True).stdout
    return " ".join(said.split()[:3])


def _cpu_info() -> list[str]:
    file = Path("/proc/cpuinfo")
    return file.read_text().splitlines() if file.exists() else []


def page(campaign: Campaign, directory: str, note: str = "") -> str:
    """The page, as Markdown; the note says what else has to be known of this campaign."""
    groups = campaign.groups.values()
    histories, operations = sum(one.histories for one in groups), sum(one.operations for one in groups)
    anomalies, told = sum(one.anomalies for one in groups), sum(one.told_losses for one in groups)
    found = [one for one in campaign.saboteurs.values() if one["found"]]
    slowest = max((one["seconds"] for one in found), default=0)
    lines = [
        "# Robustness",
        "",
        "`make report` writes this page. It runs clients against servers that it breaks, and judges whether what the "
        "clients were told could have happened one call after the other, and whether each of them was told of what it "
        "lost. [Testing](testing.md#robustness) says how to run it against a storage of your own.",
        "",
        f"**{histories:,} histories with {operations:,} calls: "
        f"{anomalies} {'anomaly' if anomalies == 1 else 'anomalies'}. {told:,} acknowledged events were lost where the "
        f"durability allows it, and their clients were told of each. {len(found)} of {len(campaign.saboteurs)} "
        f"saboteurs were found, the slowest in {slowest:.0f} s.**",
        "",
        *(f"- {name}: {value}" for name, value in _machine().items()),
        *([f"- note: {note}"] if note else []),
        "",
        "## Histories",
        "",
        "An anomaly is an answer that no serial order explains, an acknowledged write that is not there, an event that "
        "is there twice or in another order, a watcher that missed something, or a client that was not told of its "
        "loss. Told losses are acknowledged events that a crash or failover took from a server which was only to keep "
        "them in memory; each was told with EpochChangedError. A history of a fleet counts fifty calls for each run.",
        "",
    ]
    lines += _table(
        ("traffic", "topology", "durability", "nemesis", "histories", "calls", "longest", "anomalies", "told losses"),
        [
            (*place, one.histories, f"{one.operations:,}", f"{one.longest:,}", one.anomalies, f"{one.told_losses:,}")
            for place, one in sorted(campaign.groups.items())
        ],
    )
    if undecided := sum(one.undecided for one in groups):
        lines += ["", f"The history of {undecided} objects was too long to be searched through, and is undecided."]
    lines += ["", *(f"- Not made: {kind}, since {why}." for kind, why in sorted(campaign.skipped.items()))]
    lines += ["", "What each nemesis does:", ""]
    lines += [f"- `{name}`: {one.about}." for name, one in NEMESES.items()]
    lines += _losses(campaign)
    lines += _recoveries(campaign, directory)
    lines += _saboteurs(campaign, directory)
    lines += _anomalies(campaign)
    lines += ["", "## Run it again", ""]
    lines += [
        "A seed repeats what is decided, not the timing of the machine. The last history of each kind:",
        "",
        "```",
    ]
    lines += [campaign.commands[place] for place in sorted(campaign.commands)]
    lines += ["```", "", f"All seeds are in [{directory}/figures.json]({directory}/figures.json).", ""]
    return "\n".join(lines)


def _losses(campaign: Campaign) -> list[str]:
    by_level: dict[tuple[str, str], Group] = defaultdict(Group)
    for (traffic, topology, durability, _), group in campaign.groups.items():
        if traffic == "stores":
            total = by_level[durability, topology]
            total.histories += group.histories
            total.told_losses += group.told_losses
            total.clients_told += group.clients_told
            total.anomalies += group.anomalies
    rows = [
        (durability, topology, one.histories, f"{one.told_losses:,}", one.clients_told, one.anomalies)
        for (durability, topology), one in sorted(by_level.items())
    ]
    return [
        "",
        "## Losses by durability",
        "",
        *_table(("durability", "topology", "histories", "told losses", "times a client was told", "untold"), rows),
    ]


def _recoveries(campaign: Campaign, directory: str) -> list[str]:
    rows = [
        (*place, len(one.recoveries), *(f"{seconds:.3f}" for seconds in one.recovery))
        for place, one in sorted(campaign.groups.items())
        if one.recovery is not None
    ]
    return [
        "",
        "## Recovery",
        "",
        "Seconds from the end of a trouble (the server is being started again, packets pass, the primary is dead and a "
        "replica is to take over) to the first call that is answered.",
        "",
        f"![seconds from the end of a trouble to the first answer, by nemesis]({directory}/recovery.svg)",
        "",
        *_table(("traffic", "topology", "durability", "nemesis", "troubles", "p50", "p99", "max"), rows),
    ]


def _saboteurs(campaign: Campaign, directory: str) -> list[str]:
    rows = [
        (f"`{name}`", one.room, _time_of(campaign.saboteurs.get(name)), f"`{one.file}`")
        for name, one in SABOTEURS.items()
    ]
    return [
        "",
        "## Saboteurs",
        "",
        "Each is a fault of one line, planted by name in a script or a module. A judge that finds no fault is worth "
        "nothing; these are the faults that it has to find, each within ten minutes.",
        "",
        f"![seconds until each saboteur was found]({directory}/saboteurs.svg)",
        "",
        *_table(("saboteur", "room", "found after", "where it is planted"), rows),
    ]


def _time_of(found: dict[str, Any] | None) -> str:
    if found is None:
        return "not looked for"
    return f"{found['seconds']:.0f} s" if found["found"] else f"not found in {found['seconds']:.0f} s"


def _anomalies(campaign: Campaign) -> list[str]:
    if not campaign.broken:
        return []
    lines = ["", "## Anomalies", ""]
    for verdict in campaign.broken:
        first = verdict.anomalies[0] if verdict.anomalies else "undecided"
        lines.append(f"- `{verdict.setting.command}`: {' '.join(first.split())[:400]}")
    return lines


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """A table whose columns of numbers stand to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    is_number = [all(row[at][:1].isdigit() for row in cells) for at in range(len(heads))]
    return [
        f"| {' | '.join(heads)} |",
        f"|{'|'.join('---:' if number else '---' for number in is_number)}|",
        *(f"| {' | '.join(row)} |" for row in cells),
    ]


def write_plots(campaign: Campaign, directory: Path) -> None:
    """Write recovery.svg and saboteurs.svg. Raises ValidationError without matplotlib."""
    pyplot = require_plots()
    # the same figures give the same file
    pyplot.rcParams["svg.hashsalt"] = "redis-mob"
    recovered = [(place, one.recovery) for place, one in sorted(campaign.groups.items()) if one.recovery is not None]
    names = [" ".join(place[1:]) + (" (fleet)" if place[0] == "fleet" else "") for place, _ in recovered]
    figure, axes = pyplot.subplots(figsize=(9, 1.5 + 0.25 * len(names)))
    for at, label in enumerate(("p50", "p99", "max")):
        values = [max(one[at], 0.0005) for _, one in recovered]
        axes.plot(values[::-1], names[::-1], "o|x"[at], color="#1f77b4", alpha=(1.0, 0.7, 0.5)[at], label=label)
    axes.set_xscale("log")
    axes.set_xlabel("seconds from the end of the trouble to the first answer")
    axes.legend()
    _save(pyplot, figure, directory / "recovery.svg")
    found = [(name, campaign.saboteurs[name]) for name in SABOTEURS if name in campaign.saboteurs]
    figure, axes = pyplot.subplots(figsize=(9, 1.5 + 0.25 * len(found)))
    axes.barh([name for name, _ in found][::-1], [one["seconds"] for _, one in found][::-1], color="#1f77b4")
    axes.set_xlabel("seconds until it was found")
    _save(pyplot, figure, directory / "saboteurs.svg")


def _save(pyplot: Any, figure: Any, file: Path) -> None:
    figure.savefig(file, bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)
    # lines that end in spaces are not what a repository should have
    file.write_text("\n".join(line.rstrip() for line in file.read_text().splitlines()) + "\n")


def main(files: Sequence[Path], page_file: Path, directory: Path, note: str = "") -> None:
    """Write the page, and figures and plots into the directory beside it."""
    campaign = read(files)
    directory.mkdir(parents=True, exist_ok=True)
    write_plots(campaign, directory)
    (directory / "figures.json").write_text(json.dumps(campaign.figures, indent=1) + "\n")
    page_file.write_text(page(campaign, directory.name, note))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--page", type=Path, required=True)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--note", default="", help="what else has to be known of these histories")
    chosen = parser.parse_args()
    main(chosen.files, chosen.page, chosen.directory, chosen.note)
