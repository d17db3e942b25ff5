"""What the ports for metrics of two commands share: the path and the token."""

from __future__ import annotations

from http import HTTPStatus

from redis_mob.cli.http_port import Answer, Place, Request
from redis_mob.errors import ValidationError, shown
from redis_mob.security.bearer_tokens import checked_token, is_loopback, is_the_token

METRICS_PATH = "/metrics"


class BearerToken:
    """The token that requests for metrics carry; without one all are let in, which only loopback allows.

    contract: metrics-4
    """

    def __init__(self, token: str | None, place: Place, options: str) -> None:
        """Raises ValidationError for a token that can be guessed, or none where others reach the place.

        `options` begins the names of the options, as `--metrics-`.
        """
        self._token = None if token is None else checked_token(token, f"{options}token-file")
        if token is None and not is_loopback(place.host):
            raise ValidationError(
                f"{options}host {shown(place.host)}: others reach this address, and could read what the fleet does: "
                f"give {options}token-file, or serve 127.0.0.1"
            )

    def refusal(self, request: Request) -> Answer | None:
        """What is answered to a request that lacks the token; None to one that has it."""
        if self._token is None:
            return None
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and is_the_token(given.strip(), self._token):
            return None
        return Answer(b"", HTTPStatus.UNAUTHORIZED, headers=(("WWW-Authenticate", "Bearer"),))
