"""Reports with made-up figures."""

from __future__ import annotations

from redis_mob.bench import GroupReport, Report, Result


def result(name: str, p50: list[float], *, size: int = 0, is_baseline: bool = False, agents: int = 1) -> Result:
    """A result whose median latency and mean in each round are these."""
    return Result(
        group="group",
        name=name,
        size=size,
        unit="steps",
        operation=f"does {name}",
        agents=agents,
        is_baseline=is_baseline,
        operations=100,
        p99=max(p50) * 2,
        most=max(p50) * 3,
        rounds={"p50": p50, "mean": p50, "client_cpu": p50},
    )


def report(*results: Result, by: str = "p50") -> Report:
    """A report with one group."""
    return Report("Valkey 9.1.2", "memory", 1.0, {"cores": 2}, [GroupReport("group", "about it", by, list(results))])


def steady(value: float, rounds: int = 10) -> list[float]:
    """Rounds that differ by a tenth of a percent."""
    return [value * (1 + number / 10_000) for number in range(rounds)]
