"""How what people are asked is shown."""

from __future__ import annotations

from collections.abc import Sequence

from redis_mob.cli.columns import print_columns
from redis_mob.cli.endings import print_line
from redis_mob.cli.words import time_text
from redis_mob.errors import shortened
from redis_mob.models.ask import PendingAsk
from redis_mob.models.base import json_text


def show_inbox(found: Sequence[PendingAsk], *, json: bool) -> None:
    """A row, or an object, for each ask."""
    if json:
        for one in found:
            print_line(one.model_dump_json())
        return
    if not found:
        print_line("nothing waits for an answer")
        return
    rows = [
        (
            one.ask.id,
            one.run_id,
            one.step_id,
            one.ask.kind,
            time_text(one.ask.asked_at),
            "-" if one.ask.until is None else time_text(one.ask.until),
            "-" if one.ask.payload is None else shortened(json_text(one.ask.payload)),
        )
        for one in found
    ]
    print_columns(("ID", "RUN", "STEP", "KIND", "SINCE", "UNTIL", "PAYLOAD"), rows, ids=("RUN",), whole=("ID",))
