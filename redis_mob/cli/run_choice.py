"""The options that choose runs, in one place: each command that chooses runs by them has the same ones."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, get_type_hints

from redis_mob.cli.options import (
    AttributeOption,
    FlowOption,
    MobOption,
    SinceOption,
    StatusOption,
    TextOption,
    UntilOption,
)

_OPTIONS: dict[str, Any] = {
    "mob": MobOption,
    "flow": FlowOption,
    "status": StatusOption,
    "since": SinceOption,
    "until": UntilOption,
    "text": TextOption,
    "attribute": AttributeOption,
}

_PARAMETER = "choice"


class RunChoice(NamedTuple):
    """Which runs are meant: those to which all options that are given apply."""

    mob: str | None = None
    flow: str | None = None
    status: list[str] | None = None
    since: str | None = None
    until: str | None = None
    text: str | None = None
    attribute: list[str] | None = None

    @property
    def is_given(self) -> bool:
        """Whether any option is."""
        return any(self)

    @property
    def names_a_mob(self) -> bool:
        """Whether it is a mob or a flow as a whole that is named."""
        return self.mob is not None and not any((self.status, self.since, self.until, self.text, self.attribute))

    def require_mob_of_flow(self, each: bool) -> None:
        """A flow as a whole is one of a mob: raises ValidationError for a flow alone, unless each run is meant."""
        from redis_mob.errors import ValidationError

        if self.flow is not None and not each and not any((*self[:1], *self[2:])):
            raise ValidationError(
                "--flow alone: add its --mob for the flow as a whole, or --each for the runs that it has now"
            )

    def require_named_or_all(self, runs: Sequence[str], *, everything: bool) -> None:
        """Runs are named, or all are meant to which conditions apply. Raises ValidationError for both, and neither."""
        from redis_mob.errors import ValidationError

        if bool(runs) is everything:
            raise ValidationError("name runs, or give --all")
        if runs and self.is_given:
            raise ValidationError("conditions are for --all: the runs are named")

    def conditions(self) -> dict[str, Any]:
        """The options as `FleetAdmin.runs` takes them. Raises ValidationError."""
        from datetime import UTC, datetime

        from redis_mob.cli.labels import parse_attributes
        from redis_mob.cli.moments import parse_moment

        now = datetime.now(UTC)
        return {
            "mob_id": self.mob,
            "flow_id": self.flow,
            "statuses": [_status(name) for name in self.status or ()],
            "since": parse_moment("--since", self.since, now),
            "until": parse_moment("--until", self.until, now),
            "text": self.text,
            "attributes": parse_attributes("--attribute", self.attribute),
        }


def choosing_runs(command: Callable[..., None]) -> Callable[..., None]:
    """A command with these options in the place of its parameter `choice`."""

    @functools.wraps(command)
    def with_options(**values: Any) -> None:
        chosen = {name: values.pop(name) for name in _OPTIONS}
        command(**values, **{_PARAMETER: RunChoice(**chosen)})

    hints = get_type_hints(command, include_extras=True)
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        if parameter.name == _PARAMETER:
            parameters += [
                parameter.replace(name=name, annotation=option, default=None) for name, option in _OPTIONS.items()
            ]
        else:
            parameters.append(parameter.replace(annotation=hints[parameter.name]))
    with_options.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportAttributeAccessIssue] - as typer reads it
    with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return with_options


def _status(name: str) -> Any:
    from redis_mob.errors import ValidationError, shown
    from redis_mob.models.run_status import MobRunStatus

    try:
        return MobRunStatus(name.lower())
    except ValueError:
        raise ValidationError(f"--status {shown(name)}: a run is {', '.join(MobRunStatus)}") from None
