"""Errors of the openai client as failures of an attempt."""

from __future__ import annotations

from collections.abc import Sequence

import openai

from redis_mob.codec.retry_after import retry_after
from redis_mob.fleet.said import bounded, class_of, text_of
from redis_mob.fleet.step_context import StepFailed, StepThrottled
from redis_mob.handlers.secrets import without

RETRIED = frozenset({408, 409, 425})
"""Statuses below 500 that another attempt may not meet again."""

TOO_MANY_REQUESTS = 429
"""The status by which an endpoint asks to be left alone for a while."""

QUOTA_USED_UP = "insufficient_quota"
"""The code of such an answer that no waiting helps against: the account has nothing left."""

SERVER_ERRORS = 500
"""The least status that says that the endpoint is at fault."""

EXCERPT_BYTES = 2 * 1024
"""How much of an error of the endpoint a failure keeps."""


class RefusedByEndpoint(StepFailed):
    """The endpoint has answered with an error, and no model with anything: no token was used."""


class UnreachableEndpoint(StepFailed):
    """The endpoint could not be reached, or did not answer in time."""


def failure_of(error: Exception, secrets: Sequence[str]) -> StepFailed:
    """The failure that an exception of the client, or of the stream that it gives, makes.

    It is to be raised from None: the exceptions behind it may repeat the key that was sent.
    """
    said = bounded(without(text_of(error), secrets), EXCERPT_BYTES)
    if isinstance(error, openai.APIStatusError):
        said = said.removeprefix(f"Error code: {error.status_code} - ")  # the client repeats the status
        reason = f"the endpoint of the model answered with status {error.status_code}: {said}"
        is_throttled, pause = error.status_code == TOO_MANY_REQUESTS, retry_after(error.response.headers)
        if is_throttled and error.code != QUOTA_USED_UP:
            return StepThrottled(reason, pause)
        return RefusedByEndpoint(
            reason,
            retryable=not is_throttled and (error.status_code >= SERVER_ERRORS or error.status_code in RETRIED),
            detail={"status": error.status_code},
            retry_after=pause,
        )
    if isinstance(error, openai.APIConnectionError):
        cause = f" ({class_of(error.__cause__)})" if error.__cause__ is not None else ""
        return UnreachableEndpoint(f"the endpoint of the model cannot be reached{cause}: {said}")
    if isinstance(error, openai.OpenAIError):
        return StepFailed(f"the endpoint of the model failed: {said}")
    if isinstance(error, ValueError):
        return StepFailed(f"the endpoint of the model sent what is no JSON: {said}")
    return StepFailed(f"the answer of the model broke off: {class_of(error)}: {said}")
