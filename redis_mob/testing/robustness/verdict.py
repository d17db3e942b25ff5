"""What is said of one history, as a line of JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

SHOWN = 10
"""Anomalies of which a verdict has the sentence; it counts the others."""


@dataclass(frozen=True)
class Setting:
    """What one history is made of. The same setting makes the same decisions, not the same timing of the machine.

    `traffic` is `stores` or `fleet`, `durability` that of the clients, `saboteur` the name of a planted fault. There
    are at least so many `operations`, and a few more where they are needed to see that the storage answers again.
    """

    topology: str = "single"
    durability: str = "fsync"
    nemesis: str = "kill"
    traffic: str = "stores"
    seed: int = 0
    operations: int = 2000
    clients: int = 8
    disruptions: int = 3
    saboteur: str = ""

    @property
    def may_lose(self) -> bool:
        """Whether this durability allows that what was acknowledged is lost, so long as it is told."""
        return self.durability == "memory"

    @property
    def command(self) -> str:
        """The command that makes this history again."""
        sabotage = f" --saboteur {self.saboteur}" if self.saboteur else ""
        return (
            f"python -m redis_mob.testing.robustness --histories 1 --topology {self.topology} "
            f"--durability {self.durability} --nemesis {self.nemesis} --traffic {self.traffic} "
            f"--operations {self.operations} --clients {self.clients} --disruptions {self.disruptions}{sabotage} "
            f"--seed {self.seed}"
        )


@dataclass
class Verdict:
    """What one history was, and what was found in it.

    `anomalies` are sentences, one for each promise that was not kept; `undecided` are objects whose history was too
    long to be searched through. `told_losses` are acknowledged writes that a crash or failover has lost, and of which
    their client was told. `recoveries` are seconds, of each disruption: from its end to the first call that was
    answered. `judged_in` is the time that it took to judge.
    """

    setting: Setting
    operations: int = 0
    outcomes: dict[str, int] = field(default_factory=dict[str, int])
    objects: int = 0
    events: int = 0
    anomalies: list[str] = field(default_factory=list[str])
    undecided: int = 0
    told_losses: int = 0
    clients_told: int = 0
    recoveries: list[float] = field(default_factory=list[float])
    seconds: float = 0.0
    judged_in: float = 0.0
    skipped: str = ""
    """Why the nemesis cannot be used here; then there is no history."""

    @property
    def is_sound(self) -> bool:
        """Whether there was a history, every promise was kept, and all of it could be judged."""
        return not (self.anomalies or self.undecided or self.skipped)

    @property
    def line(self) -> str:
        """This verdict as one line of JSON, with the first of its anomalies."""
        values = asdict(self)
        values["anomalies"] = self.anomalies[:SHOWN]
        values["anomalies_in_all"] = len(self.anomalies)
        values["recoveries"] = [round(one, 4) for one in self.recoveries]
        values["seconds"], values["judged_in"] = round(self.seconds, 2), round(self.judged_in, 2)
        return json.dumps(values)


def verdict_in(line: str) -> Verdict:
    """The verdict of a line."""
    values = json.loads(line)
    more = values.pop("anomalies_in_all") - len(values["anomalies"])
    verdict = Verdict(Setting(**values.pop("setting")), **values)
    verdict.anomalies += ["one more that the line does not show"] * more
    return verdict
