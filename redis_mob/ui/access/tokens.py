"""The tokens by which people log in: each stands for one user, and only its digest is kept."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from redis_mob.errors import ValidationError, shown
from redis_mob.security.bearer_tokens import checked_token
from redis_mob.ui.access.users import Role, User

READ_VARIABLE = "REDIS_MOB_UI_READ_TOKEN"
OPERATE_VARIABLE = "REDIS_MOB_UI_OPERATE_TOKEN"

LONGEST_NAME = 100
"""Characters of the name of a user."""

_FORM = "write lines of the form: ROLE NAME TOKEN, where ROLE is read or operate"


@dataclass(frozen=True, slots=True)
class KnownToken:
    """A token, by its digest, and the user that it stands for."""

    user: User
    digest: bytes = field(repr=False)


def token_of(user: User, token: str, source: str) -> KnownToken:
    """A token as it is kept. Raises ValidationError, which does not show it, for one that can be guessed."""
    return KnownToken(user, _digest(checked_token(token, source)))


def tokens_in(text: str, source: str) -> tuple[KnownToken, ...]:
    """The tokens of a file, one in each line behind the role and the name of its user; `#` begins a comment line.

    Raises ValidationError naming the line, and nothing of the tokens, for what is none.
    """
    found: list[KnownToken] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        place = f"{source}, line {number}"
        if len(words) != 3 or words[0] not in tuple(Role):
            raise ValidationError(f"{place}: {_FORM}")
        role, name, token = words
        found.append(token_of(User(checked_name(name, place), Role(role)), token, place))
    if not found:
        raise ValidationError(f"{source} has no tokens: {_FORM}")
    if len({known.digest for known in found}) < len(found):
        raise ValidationError(f"{source} has a token twice: each stands for one user")
    return tuple(found)


def tokens_of_environment(environment: Mapping[str, str]) -> tuple[KnownToken, ...]:
    """The tokens of the two environment variables, as far as they are set."""
    users = {READ_VARIABLE: User("reader", Role.READ), OPERATE_VARIABLE: User("operator", Role.OPERATE)}
    found = tuple(token_of(who, environment[name], name) for name, who in users.items() if environment.get(name))
    if len({known.digest for known in found}) < len(found):
        raise ValidationError(f"{READ_VARIABLE} and {OPERATE_VARIABLE} are the same token: give each its own")
    return found


def checked_name(name: str, place: str) -> str:
    """The name of a user. Raises ValidationError for one that a log cannot show."""
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise ValidationError(f"{place}: {shown(name)} is no name: it has 1 to {LONGEST_NAME} printable characters")
    return name


def user_of(token: str, known: Iterable[KnownToken]) -> User | None:
    """The user that a token stands for; it takes as long for any token."""
    digest, found = _digest(token), None
    for one in known:
        if hmac.compare_digest(one.digest, digest):
            found = one.user
    return found


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
