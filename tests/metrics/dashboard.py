"""Makes the dashboard for Grafana of the names of the metrics: `python -m tests.metrics.dashboard` writes it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from redis_mob.metrics.prometheus_names import series_names
from redis_mob.telemetry import names
from redis_mob.telemetry.names import FLOW, MOB, ROLE, STATUS, Kind, Metric, Source

FILE = Path(__file__).parents[2] / "docs" / "grafana" / "redis-mob.json"

COLUMNS = 24
"""How wide Grafana's grid is."""

UNDER_WAY = 'status=~"pending|running"'

_SOURCE = {"type": "prometheus", "uid": "${source}"}
_OF_ROLE, _OF_FLOW = "{{mob}} / {{role}}", "{{mob}} / {{flow}}"


class Query(NamedTuple):
    """A query, and how its series are called."""

    text: str
    legend: str


class Panel(NamedTuple):
    """What is shown over time, or as one number, which is red from a value on."""

    title: str
    queries: Sequence[Query]
    unit: str = "short"
    is_number: bool = False
    red_from: float | None = None


def of(metric: Metric, *more: str, part: str = "") -> str:
    """The series of a metric that the variables of the dashboard choose; of a histogram those that end with `part`."""
    chosen = ['job=~"$namespace"' if metric.source is Source.NAMESPACE else 'job=~"$workers"']
    chosen += [f'{label}=~"${label}"' for label in (MOB, FLOW) if label in metric.labels]
    [name] = [one for one in series_names(metric) if one.endswith(part)]
    return f"{name}{{{', '.join([*chosen, *more])}}}"


def level(metric: Metric, *by: str, more: Sequence[str] = ()) -> str:
    """What a gauge says, of all series together that are not told apart by `by`: the sum, of times the longest.

    All processes that read one namespace say the same, and count once; each worker tells of itself.
    """
    series = of(metric, *more)
    if metric.source is Source.NAMESPACE:
        series = f"max by ({', '.join(['job', *metric.labels])}) ({series})"
    together = "max" if metric.unit == "s" else "sum"
    return f"{together} by ({', '.join(by)}) ({series})" if by else f"{together}({series})"


def rate(metric: Metric, *by: str, part: str = "") -> str:
    """How many there are in a second."""
    part = part or ("_count" if metric.kind is Kind.HISTOGRAM else "")
    summed = f"rate({of(metric, part=part)}[$__rate_interval])"
    return f"sum by ({', '.join(by)}) ({summed})" if by else f"sum({summed})"


def tails(metric: Metric, legend: str, *by: str) -> Sequence[Query]:
    """The median of a histogram, and what 95 of 100 do not exceed."""
    buckets = rate(metric, "le", *by, part="_bucket")
    return [
        Query(f"histogram_quantile({share}, {buckets})", f"p{share * 100:.0f} {legend}".strip())
        for share in (0.5, 0.95)
    ]


def number(title: str, text: str, unit: str = "short", red_from: float | None = None) -> Panel:
    """One number."""
    return Panel(title, [Query(text, title)], unit, is_number=True, red_from=red_from)


def lines(title: str, text: str, legend: str, unit: str = "short") -> Panel:
    """The series of one query over time."""
    return Panel(title, [Query(text, legend)], unit)


ROWS: Sequence[tuple[str, Sequence[Panel]]] = (
    (
        "Now",
        (
            number("Can be read", f"min({of(names.UP)})"),
            number("Workers", level(names.WORKER_COUNT)),
            number("Runs under way", level(names.RUN_COUNT, more=[UNDER_WAY])),
            number("The oldest waits", level(names.QUEUE_OLDEST_AGE), "s", 300),
            number("Wait without a worker", level(names.QUEUE_UNSERVED), red_from=1),
            number("Asks without an answer", level(names.ASKS_PENDING)),
        ),
    ),
    (
        "Queues",
        (
            lines(
                "Executions that wait",
                level(names.QUEUE_DEPTH, MOB, ROLE),
                _OF_ROLE,
            ),
            lines("How long the oldest waits", level(names.QUEUE_OLDEST_AGE, MOB, ROLE), _OF_ROLE, "s"),
            Panel(
                "Slots of roles",
                [
                    Query(level(names.ROLE_SLOTS_USED, MOB, ROLE), f"{_OF_ROLE} used"),
                    Query(level(names.ROLE_SLOTS_AVAILABLE, MOB, ROLE), f"{_OF_ROLE} free"),
                ],
            ),
            Panel(
                "Executions that wait for something else than a worker",
                [
                    Query(level(names.QUEUE_DELAYED, MOB, ROLE), f"{_OF_ROLE} for a time"),
                    Query(level(names.QUEUE_PAUSED, MOB, ROLE), f"{_OF_ROLE} paused"),
                    Query(level(names.LIMIT_WAITING, MOB, FLOW, ROLE), "{{mob}} / {{flow}} / {{role}} for a limit"),
                ],
            ),
            lines("Workers that serve a role", level(names.QUEUE_WORKERS, MOB, ROLE), _OF_ROLE),
            Panel(
                "How late schedules are",
                [
                    Query(level(names.SCHEDULE_OVERDUE, MOB, FLOW), f"{_OF_FLOW} not yet fired"),
                    *tails(names.SCHEDULE_LATENESS, f"{_OF_FLOW} fired", MOB, FLOW),
                ],
                "s",
            ),
        ),
    ),
    (
        "Runs",
        (
            lines("Runs by status", level(names.RUN_COUNT, STATUS), "{{status}}"),
            Panel(
                "Runs that begin and end, per second",
                [
                    Query(rate(names.RUN_STARTED, MOB, FLOW), f"{_OF_FLOW} started"),
                    Query(rate(names.RUN_COMPLETED, MOB, FLOW, STATUS), f"{_OF_FLOW} {{{{status}}}}"),
                ],
            ),
            Panel("Duration of runs", tails(names.RUN_DURATION, _OF_FLOW, MOB, FLOW), "s"),
        ),
    ),
    (
        "Steps",
        (
            lines("Attempts per second", rate(names.STEP_DURATION, MOB, ROLE, STATUS), f"{_OF_ROLE} {{{{status}}}}"),
            Panel("Duration of attempts", tails(names.STEP_DURATION, _OF_ROLE, MOB, ROLE), "s"),
            Panel("Wait for a worker", tails(names.STEP_SCHEDULE_TO_START, _OF_ROLE, MOB, ROLE), "s"),
            lines(
                "Retries per second",
                rate(names.STEP_RETRIES, MOB, ROLE, "error_type"),
                f"{_OF_ROLE} {{{{error_type}}}}",
            ),
            Panel(
                "Lost attempts per second",
                [
                    Query(rate(names.STEP_REDELIVERED, MOB, ROLE), f"{_OF_ROLE} of lost workers"),
                    Query(rate(names.LEASE_LOST, MOB, ROLE), f"{_OF_ROLE} taken from their worker"),
                ],
            ),
            Panel("Wait for a limit", tails(names.LIMIT_WAIT, _OF_FLOW, MOB, FLOW), "s"),
        ),
    ),
    (
        "Workers and the server",
        (
            Panel(
                "Slots of all workers",
                [Query(level(names.SLOTS_USED), "used"), Query(level(names.SLOTS_AVAILABLE), "free")],
            ),
            Panel("Round trip to the server", tails(names.WIRE_ROUND_TRIP, ""), "s"),
            Panel(
                "Calls of the store",
                tails(names.DB_CLIENT_OPERATION_DURATION, "{{db_stored_procedure_name}}", "db_stored_procedure_name"),
                "s",
            ),
            lines(
                "Calls of the store per second",
                rate(names.DB_CLIENT_OPERATION_DURATION, "db_stored_procedure_name"),
                "{{db_stored_procedure_name}}",
            ),
            Panel(
                "Commits and calls that are done again, per second",
                [
                    Query(rate(names.COMMITS_LOST, MOB, FLOW), f"{_OF_FLOW} commits that lost a compare"),
                    Query(rate(names.RECEIPTS_USED), "calls whose outcome was not known"),
                ],
            ),
            Panel(
                "Memory of the server",
                [
                    Query(level(names.SERVER_MEMORY), "used"),
                    Query(f"{level(names.SERVER_MEMORY_LIMIT)} > 0", "limit"),
                ],
                "bytes",
            ),
        ),
    ),
)


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana imports it."""
    return {
        "uid": "redis-mob",
        "title": "redis_mob",
        "description": "A fleet: what waits, what is under way, and how long it takes (docs/metrics.md).",
        "tags": ["redis-mob"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "graphTooltip": 1,
        "templating": {"list": _variables()},
        "panels": _panels(),
    }


def _variables() -> list[dict[str, Any]]:
    of_namespace, of_worker = of(names.UP).partition("{")[0], of(names.WIRE_ROUND_TRIP, part="_count").partition("{")[0]
    depth, attempts = (
        f'{series_names(names.QUEUE_DEPTH)[0]}{{job=~"$namespace"}}',
        f'{series_names(names.STEP_DURATION)[1]}{{job=~"$workers"}}',
    )
    return [
        {"name": "source", "label": "Data source", "type": "datasource", "query": "prometheus"},
        _variable("namespace", "Namespace (job)", of_namespace, "job"),
        _variable("workers", "Workers (job)", of_worker, "job"),
        _variable(MOB, "Mob", depth, MOB),
        _variable(FLOW, "Flow", attempts, FLOW),
    ]


def _variable(name: str, label: str, series: str, values: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": f"label_values({series}, {values})", "refId": name},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _panels() -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    top = 0
    for title, panels in ROWS:
        made.append(_placed({"type": "row", "title": title, "collapsed": False, "panels": []}, 0, top, COLUMNS, 1))
        top += 1
        left = 0
        for panel in panels:
            width, height = (4, 4) if panel.is_number else (8, 8)
            if left + width > COLUMNS:
                left, top = 0, top + height
            made.append(_placed(_made(panel), left, top, width, height))
            left += width
        top += made[-1]["gridPos"]["h"]
    return [{"id": place, **panel} for place, panel in enumerate(made, 1)]


def _placed(panel: dict[str, Any], left: int, top: int, width: int, height: int) -> dict[str, Any]:
    return {**panel, "gridPos": {"x": left, "y": top, "w": width, "h": height}}


def _made(panel: Panel) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0}
    if panel.red_from is not None:
        steps = [{"color": "green", "value": None}, {"color": "red", "value": panel.red_from}]
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
    return {
        "type": "stat" if panel.is_number else "timeseries",
        "title": panel.title,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {"reduceOptions": {"calcs": ["lastNotNull"]}} if panel.is_number else _OF_LINES,
        "targets": [
            {"refId": chr(ord("A") + place), "datasource": _SOURCE, "expr": query.text, "legendFormat": query.legend}
            for place, query in enumerate(panel.queries)
        ],
    }


_OF_LINES = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}}


def as_text() -> str:
    """The file."""
    return json.dumps(dashboard(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(as_text(), encoding="utf-8")
