"""Values that no message may show: headers, variables, keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from redis_mob.errors import ValidationError, shown

_LEAST_HIDDEN = 4
"""Characters of a value that is hidden: a shorter one is no secret, and would be found in every text."""

HIDDEN = "…"


def checked_texts(name: str, values: Mapping[str, str] | None) -> dict[str, str]:
    """A copy of a mapping of texts. Raises ValidationError for other values, without showing them."""
    for key, value in (values or {}).items():
        if not isinstance(key, str) or not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValidationError(f"{name}: the value of {shown(key)} must be a text, not a {type(value).__name__}")
    return dict(values or {})


def without(text: str, secrets: Iterable[str]) -> str:
    """The text with an ellipsis where a secret was; services repeat in their errors what they were sent."""
    for secret in sorted(secrets, key=len, reverse=True):
        # "Bearer token": what is secret there is the last word, which may be repeated alone
        for part in (secret, secret.rpartition(" ")[2]):
            if len(part) >= _LEAST_HIDDEN:
                text = text.replace(part, HIDDEN)
    return text
