"""The routes of config documents and realm profiles: read with their past, and edited unless others did before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from redis_mob.errors import (
    AlreadyExistsError,
    CasConflictError,
    ChangeFeedTruncatedError,
    NotFoundError,
    RedisMobError,
    SerializationError,
    ValidationError,
    VersionConflictError,
    shown,
)
from redis_mob.models.config import ConfigChangeEvent
from redis_mob.models.problems import problems
from redis_mob.models.profile import Profile, StoredRealmProfile
from redis_mob.models.revision import extract_meta_revision
from redis_mob.operations.audit import OperatorAction
from redis_mob.ui.actions import done_once, key_of
from redis_mob.ui.answers import body, failure, reply
from redis_mob.ui.context import operator, services, user
from redis_mob.ui.receipts import SCOPE

MOST_LISTED = 1_000
"""Documents of one config namespace that are listed."""


class Edit(BaseModel):
    """A new version of a document, and the revision of that which it replaces; None where there is to be none."""

    model_config = ConfigDict(extra="forbid", strict=True)

    revision: int | None
    value: Any


def routes() -> list[Route]:
    """All of them."""
    return [
        Route("/api/config", _documents),
        Route("/api/config/{namespace}/{id:path}", _document),
        Route("/api/config/{namespace}/{id:path}", _put_document, methods=["PUT"]),
        Route("/api/config/{namespace}/{id:path}", _delete_document, methods=["DELETE"]),
        Route("/api/profiles", _profiles),
        Route("/api/profiles/{name:path}", _profile),
        Route("/api/profiles/{name:path}", _put_profile, methods=["PUT"]),
        Route("/api/profiles/{name:path}", _delete_profile, methods=["DELETE"]),
    ]


async def _documents(request: Request) -> Response:
    user(request)
    store = services(request).storage.config
    wanted = request.query_params.get("namespace")
    found: list[dict[str, Any]] = []
    for namespace in [wanted] if wanted else await _namespaces(request):
        for id, value in await store.list(namespace, limit=MOST_LISTED):
            found.append({"namespace": namespace, "id": id, "revision": extract_meta_revision(value) or 0})
    return reply({"documents": found})


async def _namespaces(request: Request) -> list[str]:
    """The config namespaces that the feed of changes tells of, which has the newest 10,000 at least."""
    state: Any = request.app.state
    known: dict[str, None] = getattr(state, "config_namespaces", {})
    after: int = getattr(state, "config_cursor", 0)
    store = services(request).storage.config
    newest = (await store.snapshot([])).cursor
    if newest > after:
        async with store.subscribe(after) as changes:
            while changes.cursor < newest:
                change = await _next(changes.next)
                if change is not None and not change.namespace.startswith(f"scope:{len(SCOPE)}:{SCOPE}:"):
                    known[change.namespace] = None
    state.config_namespaces, state.config_cursor = known, newest
    return sorted(known)


async def _next(following: Callable[[], Awaitable[ConfigChangeEvent]]) -> ConfigChangeEvent | None:
    try:
        return await following()
    except ChangeFeedTruncatedError:
        return None  # it goes on with the first change that is there


async def _document(request: Request) -> Response:
    user(request)
    namespace, id = _names(request)
    versions = await services(request).storage.config.history(namespace, id)
    if not versions:
        raise NotFoundError(f"there is no document {shown(id)} in the config namespace {shown(namespace)}")
    return reply(
        {
            "namespace": namespace,
            "id": id,
            "revision": versions[0].revision,
            "value": versions[0].value,
            "history": [
                {"revision": one.revision, "written_at": one.written_at, "value": one.value} for one in versions
            ],
        }
    )


async def _put_document(request: Request) -> Response:
    operator(request)
    namespace, id = _names(request)
    edit = await body(request, Edit)
    value = _revised(edit)
    store = services(request).storage.config

    async def put() -> Any:
        try:
            if edit.revision is None:
                await store.put_if_absent(namespace, id, value)
            else:
                await store.put_if_revision(namespace, id, value, edit.revision)
        except SerializationError as error:  # of what was sent: a number that JSON does not have
            raise ValidationError(str(error)) from None
        return {"revision": extract_meta_revision(value) or 0, "value": value}

    return await _edited(request, "config_put", f"config/{namespace}/{id}", edit, put, lambda: _theirs(request))


async def _delete_document(request: Request) -> Response:
    operator(request)
    namespace, id = _names(request)
    revision = _revision(request)

    async def delete() -> Any:
        await services(request).storage.config.delete_if_revision(namespace, id, revision)
        return {"done": True}

    edit = Edit(revision=revision, value=None)
    return await _edited(request, "config_delete", f"config/{namespace}/{id}", edit, delete, lambda: _theirs(request))


async def _profiles(request: Request) -> Response:
    user(request)
    return reply({"profiles": [_told(one) for one in await services(request).storage.realm_profiles.list()]})


async def _profile(request: Request) -> Response:
    user(request)
    name = request.path_params["name"]
    stored = await services(request).storage.realm_profiles.get(name)
    if stored is None:
        raise NotFoundError(f"there is no profile {shown(name)}")
    return reply({**_told(stored), "history": []})


async def _put_profile(request: Request) -> Response:
    operator(request)
    name = request.path_params["name"]
    edit = await body(request, Edit)
    try:
        profile = Profile.model_validate(edit.value)
    except ValueError as error:
        raise ValidationError(f"the profile is wrong: {problems(cast('Any', error))}") from None
    profiles = services(request).storage.realm_profiles

    async def put() -> Any:
        if edit.revision is None:
            return _told(await profiles.create(name, profile))
        return _told(await profiles.update(name, profile, edit.revision))

    return await _edited(request, "profile_put", f"profiles/{name}", edit, put, lambda: _their_profile(request))


async def _delete_profile(request: Request) -> Response:
    operator(request)
    name, revision = request.path_params["name"], _revision(request)

    async def delete() -> Any:
        await services(request).storage.realm_profiles.delete(name, revision)
        return {"done": True}

    edit = Edit(revision=revision, value=None)
    return await _edited(request, "profile_delete", f"profiles/{name}", edit, delete, lambda: _their_profile(request))


async def _edited(
    request: Request,
    action: str,
    on: str,
    edit: Edit,
    act: Callable[[], Awaitable[Any]],
    theirs: Callable[[], Awaitable[Mapping[str, Any] | None]],
) -> Response:
    """The answer to an edit; one that has lost against another one has both versions."""
    who, key = operator(request), key_of(request)
    did = OperatorAction(action=action, user=who.name, on=on, key=key)

    async def no_mob() -> str:
        return ""

    try:
        return await done_once(request, who, did, no_mob, edit.model_dump(mode="json"), act)
    except (AlreadyExistsError, VersionConflictError, CasConflictError) as error:
        lost: RedisMobError = error
    mine = {"revision": edit.revision, "value": edit.value}
    exists = f"there is a document {lost} already: edit that one" if isinstance(lost, AlreadyExistsError) else ""
    return failure(lost, {"mine": mine, "theirs": await theirs()}, exists)


async def _theirs(request: Request) -> Mapping[str, Any] | None:
    versions = await services(request).storage.config.history(*_names(request))
    return {"revision": versions[0].revision, "value": versions[0].value} if versions else None


async def _their_profile(request: Request) -> Mapping[str, Any] | None:
    stored = await services(request).storage.realm_profiles.get(request.path_params["name"])
    return None if stored is None else {"revision": stored.revision, "value": stored.profile}


def _revised(edit: Edit) -> dict[str, Any]:
    """The value with the revision behind that which it replaces, so that no other edit of the same one can win too."""
    if not isinstance(edit.value, dict):
        raise ValidationError(
            "a config document that is edited here must be a JSON object: its revision is in its `meta`"
        )
    value = cast("dict[str, Any]", edit.value)
    meta = value.get("meta", {})
    if not isinstance(meta, dict):
        raise ValidationError("the field meta of a config document must be an object: its revision is in it")
    return {**value, "meta": {**cast("dict[str, Any]", meta), "revision": (edit.revision or 0) + 1}}


def _revision(request: Request) -> int:
    value = request.query_params.get("revision", "")
    if not (value.isascii() and value.isdigit() and len(value) <= 20):
        raise ValidationError(f"revision must say which revision is to be deleted, not {shown(value)}")
    return int(value)


def _names(request: Request) -> tuple[str, str]:
    return request.path_params["namespace"], request.path_params["id"]


def _told(stored: StoredRealmProfile) -> dict[str, Any]:
    return {
        "name": stored.name,
        "revision": stored.revision,
        "created_at": stored.created_at,
        "updated_at": stored.updated_at,
        "value": stored.profile,
    }
