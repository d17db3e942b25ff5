"""The names of metrics and attributes: each once, with known labels, and as the conventions have them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from redis_mob.telemetry import genai_names, names


def test_every_metric_has_a_name_of_its_own_and_known_labels() -> None:
    assert len({metric.name for metric in names.METRICS}) == len(names.METRICS)
    known = {*names.LABELS, names.DB_SYSTEM_NAME, names.DB_STORED_PROCEDURE_NAME}
    for metric in names.METRICS:
        assert set(metric.labels) <= known, metric
        assert metric.unit, metric
        assert metric.description.endswith("."), metric
        assert (metric.buckets is not None) == (metric.kind is names.Kind.HISTOGRAM), metric
        assert list(metric.buckets or ()) == sorted(set(metric.buckets or ())), metric


def test_no_metric_is_told_apart_by_what_there_is_without_end() -> None:
    labels = {label for metric in names.METRICS for label in metric.labels}
    assert not labels & {names.RUN_ID, names.STEP_ID, names.TARGET, names.WORKER}


def test_names_of_the_conventions_are_theirs() -> None:
    # the package is private as long as the conventions may change
    theirs: Mapping[str, object] = vars(
        importlib.import_module("opentelemetry.semconv._incubating.attributes.gen_ai_attributes")
    )
    known = set(map(str, theirs.values()))
    ours = {value for value in vars(genai_names).values() if isinstance(value, str) and value.startswith("gen_ai.")}
    assert ours - {genai_names.EVALUATION_RESULT, genai_names.REQUEST_STREAM} <= known
    stored: Mapping[str, object] = vars(importlib.import_module("opentelemetry.semconv.attributes.db_attributes"))
    assert {names.DB_SYSTEM_NAME, names.DB_STORED_PROCEDURE_NAME} <= set(map(str, stored.values()))
