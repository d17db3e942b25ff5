"""Values that no message may show: headers, variables, keys."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote, unquote, urlsplit

from redis_mob.codec.arguments import optional_instance
from redis_mob.errors import ValidationError, shown

_LEAST_HIDDEN = 4
"""Characters of a value that is hidden: a shorter one is no secret, and would be found in every text."""

_LEAST_LINE = 16
"""The same for a line of a value: those of a key are longer, and `{` is a line too."""

HIDDEN = "…"


def checked_texts(name: str, values: Mapping[str, str] | None) -> dict[str, str]:
    """A copy of a mapping of texts. Raises ValidationError for other values, without showing them."""
    optional_instance(name, values, Mapping)
    given = dict(values or {})
    for key, value in given.items():
        if not isinstance(key, str) or not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValidationError(f"{name}: the value of {shown(key)} must be a text, not a {type(value).__name__}")
    return given


def without(text: str, secrets: Iterable[str]) -> str:
    """The text with an ellipsis where a secret was, as it is or encoded; services repeat in errors what they were sent.

    A text has to be cut after this and not before: of a secret that is cut in two neither half is found.
    """
    spellings = {spelling for secret in secrets for part in _parts(secret) for spelling in _spellings(part)}
    for spelling in sorted(spellings, key=len, reverse=True):
        text = text.replace(spelling, HIDDEN)
    return text


def most_encoded(secrets: Iterable[str]) -> int:
    """The greatest length of a secret as a text may have it: a text that is cut by so much more has whole ones only."""
    lengths = (len(spelling.encode(errors="replace")) for secret in secrets for spelling in _spellings(secret))
    return max(lengths, default=0)


def _parts(secret: str) -> Iterator[str]:
    """What of a secret may be repeated alone, if it is long enough to be one."""
    # "Bearer token": what is secret there is the last word
    parts = [secret, secret.strip(), secret.rpartition(" ")[2], *_password(secret)]
    lines = [line.strip() for line in secret.splitlines()]
    yield from (part for part in parts if len(part) >= _LEAST_HIDDEN)
    yield from (line for line in lines if len(line) >= _LEAST_LINE)


def _password(secret: str) -> list[str]:
    """The password in a URL, such as that of a database."""
    if "@" not in secret or "://" not in secret:
        return []
    try:
        password = urlsplit(secret).password or ""
    except ValueError:  # it only looked like one
        return []
    return [password, unquote(password)]


def _spellings(part: str) -> Iterator[str]:
    """How programs and services write a text: as it is, as JSON, as Python, in a URL, as base64."""
    data = part.encode(errors="replace")
    yield part
    yield json.dumps(part)[1:-1]
    yield json.dumps(part, ensure_ascii=False)[1:-1]
    yield repr(part)[1:-1]
    yield quote(data, safe="")
    yield base64.b64encode(data).decode().rstrip("=")
    yield base64.urlsafe_b64encode(data).decode().rstrip("=")
