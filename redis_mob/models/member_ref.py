"""How a member is reached behind its identity (contract: json-23). Seen by stores only, never by readers of events."""

from typing import Annotated, Any, Literal, TypeAlias, cast

from pydantic import Field, model_validator

from redis_mob.models.base import Uuid, is_none, read_uuid
from redis_mob.models.ids import KeyBytes
from redis_mob.models.secret import SecretAdapter, SecretModel


def _one_session(value: object) -> object:
    """Both names of the session id say the same; `bridge_session_id` wins where they differ."""
    if not isinstance(value, dict):
        return value
    fields = cast("dict[str, Any]", value)
    given = [fields.get("bridge_session_id"), fields.get("session_id")]
    sessions = [read_uuid(text) for text in given if text is not None]
    others = {key: item for key, item in fields.items() if key not in ("session_id", "bridge_session_id")}
    return {**others, "session_id": sessions[0]} if sessions else others


def _same_session(fields: dict[str, Any]) -> Any:
    return fields["session_id"]


class SessionMemberRef(SecretModel):
    """A member that runs in a session. The id of the session is written under two names, of which one is enough."""

    kind: Literal["session"] = "session"
    session_id: Uuid
    bridge_session_id: Uuid = Field(default_factory=_same_session)

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: object) -> object:
        one = _one_session(value)
        if isinstance(one, dict) and "session_id" not in one:
            raise ValueError("session_id: a session reference needs session_id or bridge_session_id")
        return cast("object", one)


class BackendPeerMemberRef(SecretModel):
    """A member behind a backend, reached as a peer. Its `bootstrap_token` is never written (contract: metadata-7)."""

    kind: Literal["backend_peer"] = "backend_peer"
    peer_id: str
    address: str
    pubkey: KeyBytes | None = Field(default=None, exclude_if=is_none)
    bootstrap_token: str | None = Field(default=None, exclude=True, repr=False)
    session_id: Uuid | None = Field(default=None, exclude_if=is_none)
    bridge_session_id: Uuid | None = Field(default_factory=_same_session, exclude_if=is_none)

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: object) -> object:
        return _one_session(value)


MemberRef: TypeAlias = Annotated[SessionMemberRef | BackendPeerMemberRef, Field(discriminator="kind")]
"""A reference to a member; one without a `kind` is refused."""

MEMBER_REF: SecretAdapter[MemberRef] = SecretAdapter(MemberRef)
"""Reads a reference from JSON."""
