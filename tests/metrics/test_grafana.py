"""Each query of the dashboard and of the alert rules is of metrics, and labels, that a scrape of a fleet shows."""

from __future__ import annotations

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import promql_parser
import pytest
import yaml
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families

from redis_mob.metrics.prometheus_names import label_name, series_names
from redis_mob.storage import MobStorage
from redis_mob.telemetry import names
from redis_mob.telemetry.instruments import Instruments
from redis_mob.testing.waiting import LONG
from tests.cli.command import MODULE, ROOT, Command, wait_until
from tests.cli.test_metrics import serving, told
from tests.cli.test_worker import free_port
from tests.metrics import dashboard
from tests.metrics.scraped_mob import mob

ALERTS = dashboard.FILE.with_name("alerts.yml")

RARE = (names.COMMITS_LOST, names.RECEIPTS_USED, names.LEASE_LOST)
"""What is counted only when workers disagree or a connection breaks: these are told by the instruments alone."""

OF_PROMETHEUS = {"job", "instance", "le"}
"""Labels that Prometheus adds, or a histogram has."""

Series = Mapping[str, set[str]]
"""Names of series, and the labels that they have."""


def series_of(families: Iterable[Family]) -> Series:
    found = defaultdict[str, set[str]](set)
    for family in families:
        for sample in family.samples:
            found[sample.name] |= set(sample.labels)
    return found


def scraped(address: str) -> Series:
    page = told(address)
    assert page.status == 200
    return series_of(text_string_to_metric_families(page.text))


def of_instruments() -> Series:
    """What rare metrics look like: recorded by the instruments of the library, with the labels of their names."""
    registry = CollectorRegistry()
    provider = MeterProvider(metric_readers=[PrometheusMetricReader(scope_info_enabled=False, registry=registry)])
    instruments = Instruments(provider)
    for metric in RARE:
        instruments.count(metric, dict.fromkeys(metric.labels, "x"))
    return series_of(registry.collect())


async def begun(url: str, namespace: str) -> str:
    """A schedule, runs that wait for a limit, one that asks, and one that loses its worker, whose id this is."""
    async with MobStorage.open(url, namespace=namespace) as storage:
        fleet = mob.fleet(storage)
        await fleet.schedule("often", "inner", every=timedelta(seconds=1))
        for flow in ("limited", "limited", "asking"):
            await fleet.start(flow)
        return await fleet.start("outer")


async def over(url: str, namespace: str, run_id: str) -> None:
    async with MobStorage.open(url, namespace=namespace) as storage, asyncio.timeout(3 * LONG):
        await mob.fleet(storage).wait(run_id)


@pytest.fixture(scope="module")
def series(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Series:
    """All that the ports of a fleet tell: of a worker, after another one was lost, and of `redis-mob metrics`."""
    namespace, directory, port = "test-grafana", tmp_path_factory.mktemp("grafana"), free_port()
    words = ("worker", "tests.metrics.scraped_mob:mob", "--url", server_url, "--namespace", namespace, "--lease", "3")
    run_id = asyncio.run(begun(server_url, namespace))
    with Command(ROOT, *words, program=MODULE) as lost:
        wait_until(lost.has_ended)
    with (
        Command(ROOT, *words, "--metrics-port", str(port), program=MODULE),
        serving(directory, server_url, "--namespace", namespace) as (_, of_namespace),
    ):
        asyncio.run(over(server_url, namespace, run_id))
        of_worker = f"http://127.0.0.1:{port}/metrics"
        wait_until(lambda: series_names(names.SCHEDULE_LATENESS)[0] in scraped(of_worker))
        wait_until(lambda: series_names(names.LIMIT_WAITING)[0] in scraped(of_namespace))
        return {**of_instruments(), **scraped(of_worker), **scraped(of_namespace)}


def queries() -> list[str]:
    made: dict[str, Any] = json.loads(dashboard.FILE.read_text())
    shown = [target["expr"] for panel in made["panels"] for target in panel.get("targets", ())]
    rules = yaml.safe_load(ALERTS.read_text())
    return [*shown, *(rule["expr"] for group in rules["groups"] for rule in group["rules"])]


def parsed(query: str) -> promql_parser.Expr:
    """A query, after Grafana has put values in the place of its variables."""
    return promql_parser.parse(re.sub(r"\$__rate_interval", "5m", query))


def selected(query: promql_parser.Expr) -> list[promql_parser.VectorSelector]:
    """The series that a query selects."""
    found: list[promql_parser.VectorSelector] = []

    def look(part: promql_parser.Expr) -> None:
        if isinstance(part, promql_parser.MatrixSelector):
            part = part.vector_selector
        if isinstance(part, promql_parser.VectorSelector):
            found.append(part)

    promql_parser.walk(query, look)
    return found


def grouped(query: promql_parser.Expr) -> set[str]:
    """The labels by which a query tells its results apart."""
    found: set[str] = set()

    def look(part: promql_parser.Expr) -> None:
        if isinstance(part, promql_parser.AggregateExpr) and part.modifier is not None:
            found.update(part.modifier.labels)

    promql_parser.walk(query, look)
    return found


@pytest.mark.parametrize("query", queries())
def test_a_query_is_of_metrics_and_labels_that_there_are(query: str, series: Series) -> None:
    read = parsed(query)
    selectors = selected(read)
    assert selectors
    known = set[str]()
    for selector in selectors:
        assert selector.name is not None
        assert selector.name in series
        has = series[selector.name] | OF_PROMETHEUS
        assert {matcher.name for matcher in selector.matchers.matchers} <= has, selector.name
        known |= has
    assert grouped(read) <= known


def test_all_metrics_are_shown() -> None:
    shown = {selector.name for query in queries() for selector in selected(parsed(query))}
    assert [metric.name for metric in names.METRICS if not shown & set(series_names(metric))] == []


def test_the_variables_are_of_series_and_labels_that_there_are(series: Series) -> None:
    made = dashboard.dashboard()["templating"]["list"]
    asked = [re.fullmatch(r"label_values\((\w+)(?:\{.*\})?, (\w+)\)", one["query"]["query"]) for one in made[1:]]
    assert len(asked) == 4
    for one in asked:
        assert one is not None
        assert one[2] in series[one[1]] | OF_PROMETHEUS


def test_a_scrape_has_the_labels_of_its_names_and_never_a_run(series: Series) -> None:
    for metric in names.METRICS:
        labels = set(map(label_name, metric.labels))
        for name in series_names(metric):
            assert series[name] - {"le"} <= labels, name


def test_the_dashboard_is_the_one_that_is_made_of_the_names() -> None:
    assert dashboard.FILE.read_text(encoding="utf-8") == dashboard.as_text(), "python -m tests.metrics.dashboard"


def test_panels_have_places_of_their_own() -> None:
    taken = set[tuple[int, int]]()
    for panel in dashboard.dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= dashboard.COLUMNS
        taken |= cells


def test_alert_rules_say_what_is_wrong_and_what_to_do() -> None:
    rules = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 3
    for rule in rules:
        assert set(rule["annotations"]) == {"summary", "description"}
        used = set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])))
        assert used <= grouped(parsed(rule["expr"])), rule["alert"]
