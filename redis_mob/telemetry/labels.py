"""The labels by which metrics are told apart."""

from __future__ import annotations

from redis_mob.telemetry import names


def labels_of(
    mob: str,
    flow: str,
    *,
    role: str | None = None,
    release: str | None = None,
    status: str | None = None,
    error_type: str | None = None,
) -> dict[str, str]:
    """The labels of a metric, without those that are not there."""
    labels = {names.MOB: mob, names.FLOW: flow}
    others = {names.ROLE: role, names.RELEASE: release, names.STATUS: status, names.ERROR_TYPE: error_type}
    labels.update((name, value) for name, value in others.items() if value)
    return labels
