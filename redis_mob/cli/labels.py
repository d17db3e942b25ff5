"""Attributes and summaries of runs: read from the options of a command, changed, and told."""

from __future__ import annotations

from collections.abc import Sequence

from redis_mob.cli.console import printable
from redis_mob.cli.endings import print_line
from redis_mob.cli.existing import existing
from redis_mob.cli.run_argument import run_id_of
from redis_mob.codec.labels import checked_name, checked_value
from redis_mob.errors import NotFoundError, ValidationError, shown
from redis_mob.models.base import json_text
from redis_mob.models.labels import AttributeValue, LabelChange, Labels, attribute_text
from redis_mob.operations.admin.run_lists import RunLists
from redis_mob.security.sealing import SealKeyring


def parse_attributes(option: str, given: Sequence[str] | None) -> dict[str, AttributeValue]:
    """Attributes by name from texts like `customer=acme`. Raises ValidationError naming the option."""
    found: dict[str, AttributeValue] = {}
    for text in given or ():
        name, separator, value = text.partition("=")
        try:
            if not separator:
                raise ValidationError(f"{shown(text)} has no value: write NAME=VALUE")
            checked = checked_value(checked_name(name), value)
            if found.setdefault(name, checked) != checked:
                raise ValidationError(f"attribute {shown(name)} is given twice, with two values")
        except ValidationError as error:
            raise ValidationError(f"{option}: {error}") from None
    return found


def label_change(given: Sequence[str], unset: Sequence[str], summary: str | None) -> LabelChange:
    """What is to be changed; a summary of no characters removes it. Raises ValidationError."""
    changed: dict[str, AttributeValue | None] = {**parse_attributes("NAME=VALUE", given)}
    for name in unset:
        try:
            known = checked_name(name)
        except ValidationError as error:
            raise ValidationError(f"--unset: {error}") from None
        if known in changed and changed[known] is not None:
            raise ValidationError(f"attribute {shown(name)} is both set and unset: give one of them")
        changed[known] = None
    return LabelChange(changed, summary or None, summary is not None)


async def changed_labels(
    url: str, namespace: str, seal_keys: SealKeyring | None, run: str, change: LabelChange
) -> tuple[str, Labels]:
    """The id of the run, and its labels once they are changed. Raises as `FleetAdmin.set_attributes`."""
    async with existing(url, namespace, seal_keys) as storage:
        run_id = await run_id_of(RunLists(storage), run)
        if change != LabelChange():
            await storage.executions.set_labels(run_id, change)
        view = await storage.executions.load(run_id)
    if view is None:
        raise NotFoundError.of_run(run_id, namespace)
    return run_id, view.labels


def show_labels(run_id: str, labels: Labels, *, json: bool) -> None:
    """A line for each, or one object."""
    if json:
        print_line(json_text({"run_id": run_id, "attributes": labels.attributes, "summary": labels.summary}))
        return
    for name, value in labels.attributes.items():
        print_line(f"{printable(name)}={printable(attribute_text(value))}")
    if labels.summary is not None:
        print_line(f"summary: {printable(labels.summary)}")
