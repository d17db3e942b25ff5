"""The routes by which operators change runs and flows: each once per key, and with an event that says who did it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from redis_mob.errors import NotFoundError, ValidationError, shown
from redis_mob.fleet.signals import Signals
from redis_mob.operations.audit import OperatorAction, record
from redis_mob.operations.forking import UNCHANGED
from redis_mob.operations.known_names import unknown_names
from redis_mob.past.run_events import checked_run_id
from redis_mob.ui.answers import body, reply
from redis_mob.ui.context import PageServices, User, operator, services
from redis_mob.ui.receipts import Receipts, Told

KEY = re.compile(r"[A-Za-z0-9_-]{8,128}")

M = TypeVar("M", bound=BaseModel)


class Sent(BaseModel):
    """What an action is sent with."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reason: Annotated[str, Field(max_length=1_000)] | None = None


class Deletion(Sent):
    """With `cancel` a run that is not over is ended first."""

    cancel: bool = False


class Retry(Sent):
    """From which step or loop a run is begun anew; without one all that has not completed runs again."""

    from_step: Annotated[str | None, Field(alias="from")] = None


class SentSignal(Sent):
    """A signal, and any JSON that goes with it."""

    name: str
    payload: Any = None


class GivenAnswer(Sent):
    """An answer to an ask: approved, with another value if there is one, or denied."""

    ask_id: str
    run_id: str | None = None
    approved: bool = True
    value: Any = UNCHANGED
    message: str | None = None


def routes() -> list[Route]:
    """All of them."""
    runs = {
        "cancel": _cancel,
        "terminate": _terminate,
        "pause": _pause,
        "resume": _resume,
        "delete": _delete,
        "retry": _retry,
        "signal": _signal,
    }
    return [
        *(Route(f"/api/runs/{{run_id}}/{name}", act, methods=["POST"]) for name, act in runs.items()),
        Route("/api/asks/answer", _answer, methods=["POST"]),
        Route("/api/flows/{mob}/{flow}/pause", _pause_flow, methods=["POST"]),
        Route("/api/flows/{mob}/{flow}/resume", _resume_flow, methods=["POST"]),
    ]


def key_of(request: Request) -> str:
    """The idempotency key of a request. Raises ValidationError for none, or one that is none."""
    key = request.headers.get("Idempotency-Key", "")
    if not KEY.fullmatch(key):
        raise ValidationError(
            f"the header Idempotency-Key must be 8 to 128 letters, digits, - or _, another one for each action, not "
            f"{shown(key)}"
        )
    return key


async def done_once(
    request: Request,
    user: User,
    did: OperatorAction,
    mob_id: Callable[[], Awaitable[str]],
    sent: Any,
    act: Callable[[], Awaitable[Any]],
) -> Response:
    """Carry out an action, unless it was under its key, with an event before that; the answer of the first time.

    `mob_id` finds the mob that it concerns, and raises if there is nothing to act on: then no event is written.
    """
    storage = services(request).storage

    async def told_and_done() -> Any:
        await record(storage, await mob_id(), did)
        return await act()

    what = [did.action, did.on, sent]
    return reply(await Receipts(storage).once(Told(user.name, did.key, what), told_and_done))


async def _on_run(
    request: Request, action: str, model: type[M], act: Callable[[PageServices, str, M, str], Awaitable[Any]]
) -> Response:
    user, place, key = operator(request), services(request), key_of(request)
    run_id = checked_run_id(request.path_params["run_id"])
    sent = await body(request, model)
    did = OperatorAction(
        action=f"run_{action}", user=user.name, on=f"runs/{run_id}", key=key, reason=getattr(sent, "reason", None)
    )

    async def mob_of_run() -> str:
        return await _mob_of(place, run_id)

    told = Told(user.name, key, None)
    return await done_once(
        request,
        user,
        did,
        mob_of_run,
        sent.model_dump(mode="json"),
        lambda: act(place, run_id, sent, f"ui-{told.name}"),
    )


async def _mob_of(place: PageServices, run_id: str) -> str:
    summary = await place.storage.operations.summary(run_id)
    if summary is None:
        raise NotFoundError.of_run(run_id, place.storage.namespace)
    return summary.mob_id


async def _cancel(request: Request) -> Response:
    async def act(place: PageServices, run_id: str, _sent: Sent, _key: str) -> Any:
        return {"done": await place.admin.cancel(run_id)}

    return await _on_run(request, "cancel", Sent, act)


async def _terminate(request: Request) -> Response:
    async def act(place: PageServices, run_id: str, _sent: Sent, _key: str) -> Any:
        return {"done": await place.admin.terminate(run_id)}

    return await _on_run(request, "terminate", Sent, act)


async def _pause(request: Request) -> Response:
    async def act(place: PageServices, run_id: str, sent: Sent, _key: str) -> Any:
        return {"change": await place.admin.pause(run_id, sent.reason)}

    return await _on_run(request, "pause", Sent, act)


async def _resume(request: Request) -> Response:
    async def act(place: PageServices, run_id: str, _sent: Sent, _key: str) -> Any:
        return {"change": await place.admin.resume(run_id)}

    return await _on_run(request, "resume", Sent, act)


async def _delete(request: Request) -> Response:
    async def act(place: PageServices, run_id: str, sent: Deletion, _key: str) -> Any:
        await place.admin.delete(run_id, cancel=sent.cancel)
        return {"done": True}

    return await _on_run(request, "delete", Deletion, act)


async def _retry(request: Request) -> Response:
    async def act(place: PageServices, run_id: str, sent: Retry, key: str) -> Any:
        # a run of a conversation is begun anew without it: its history has already what it said
        new_run = await place.admin.fork(run_id, sent.from_step, idempotency_key=key, conversation=None)
        return {"run_id": new_run}

    return await _on_run(request, "retry", Retry, act)


async def _signal(request: Request) -> Response:
    async def act(place: PageServices, run_id: str, sent: SentSignal, key: str) -> Any:
        signals = Signals(place.storage.executions, place.storage.namespace)
        told = await signals.send(run_id, sent.name, sent.payload, idempotency_key=key)
        return {"number": told.number}

    return await _on_run(request, "signal", SentSignal, act)


async def _answer(request: Request) -> Response:
    user, place, key = operator(request), services(request), key_of(request)
    sent = await body(request, GivenAnswer)
    value = sent.value if "value" in sent.model_fields_set else UNCHANGED

    async def act() -> Any:
        is_new = await place.admin.answer(
            sent.ask_id, approved=sent.approved, value=value, message=sent.message, by=user.name, run_id=sent.run_id
        )
        return {"done": is_new}

    async def mob_of_run() -> str:
        return "" if sent.run_id is None else await _mob_of(place, checked_run_id(sent.run_id))

    on = f"asks/{sent.ask_id}" if sent.run_id is None else f"runs/{checked_run_id(sent.run_id)}"
    did = OperatorAction(action="ask_answer", user=user.name, on=on, key=key, reason=sent.reason)
    return await done_once(request, user, did, mob_of_run, sent.model_dump(mode="json", exclude_unset=True), act)


async def _pause_flow(request: Request) -> Response:
    return await _on_flow(
        request, "pause", lambda place, mob, flow, sent: place.admin.pause_flow(mob, flow, sent.reason)
    )


async def _resume_flow(request: Request) -> Response:
    return await _on_flow(request, "resume", lambda place, mob, flow, _sent: place.admin.resume_flow(mob, flow))


async def _on_flow(
    request: Request, action: str, act: Callable[[PageServices, str, str, Sent], Awaitable[bool]]
) -> Response:
    user, place, key = operator(request), services(request), key_of(request)
    mob, flow = request.path_params["mob"], request.path_params["flow"]
    sent = await body(request, Sent)
    did = OperatorAction(action=f"flow_{action}", user=user.name, on=f"flows/{mob}/{flow}", key=key, reason=sent.reason)

    async def mob_of_flow() -> str:
        return mob

    async def change() -> Any:
        is_done, mistyped = await act(place, mob, flow, sent), await unknown_names(place.storage, mob, flow)
        # a flow may be paused before its first run, or its name is wrong: the command says so too
        return {"done": is_done} if mistyped is None else {"done": is_done, "note": mistyped}

    return await done_once(request, user, did, mob_of_flow, sent.model_dump(mode="json"), change)
