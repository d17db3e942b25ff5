"""What operators did, as events of the log: who, what, and with what (contract: operations-253).

The event is the one that meerkat has for this, `operator_action_recorded`, so that its readers read the log as before.
That has no fields for a run or for words, but a free text by which the call is known: it holds them as JSON.
"""

from __future__ import annotations

import json
from typing import Any, cast

from pydantic import Field

from redis_mob.models.base import Model, is_none
from redis_mob.models.events import CallerProvenance, MobEvent, NewMobEvent, OperatorActionRecorded
from redis_mob.storage import MobStorage

_ON_RUN = "runs/"


class OperatorAction(Model):
    """What an operator did.

    `on` is what it was done with: `runs/<id>`, `asks/<id>`, `flows/<mob>/<flow>`, `config/<namespace>/<id>` or
    `profiles/<name>`. `key` is the idempotency key of the call, `reason` why, if that was said.
    """

    action: str
    user: str
    on: str
    key: str
    reason: str | None = Field(default=None, exclude_if=is_none)


async def record(storage: MobStorage, mob_id: str, did: OperatorAction) -> MobEvent:
    """Add an action to the log, before it is carried out: so none is without its event, and one may have been refused.

    `mob_id` is the mob that it concerns, empty if that is none. Raises as `MobEventStore.append`.
    """
    call = json.dumps(did.model_dump(mode="json", include={"on", "key", "reason"}), separators=(",", ":"))
    kind = OperatorActionRecorded(
        tool_name=did.action,
        principal_token=did.user,
        caller_provenance=CallerProvenance(caller_member_id=did.user),
        audit_invocation_id=call,
    )
    return await storage.events.append(NewMobEvent(mob_id=mob_id, kind=kind))


def action_of(event: MobEvent) -> OperatorAction | None:
    """The action that an event tells of; None for other events, and for those that another program has written."""
    kind = event.kind
    if not isinstance(kind, OperatorActionRecorded) or kind.caller_provenance is None:
        return None
    try:
        call: Any = json.loads(kind.audit_invocation_id or "")
        told = cast("dict[str, Any]", call) if isinstance(call, dict) else {}
        known = {"action": kind.tool_name, "user": kind.caller_provenance.caller_member_id or ""}
        return OperatorAction.model_validate({**told, **known})
    except ValueError:
        return None


def concerned_run(event: MobEvent) -> str | None:
    """The run that an event is about, or with which an operator did something; None if it is about none."""
    action = None if event.run_id is not None else action_of(event)
    if action is not None and action.on.startswith(_ON_RUN):
        return action.on.removeprefix(_ON_RUN)
    return event.run_id
