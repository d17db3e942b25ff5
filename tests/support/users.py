"""Users of a server who have the rights of one namespace alone."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

from redis.backoff import NoBackoff
from redis.retry import Retry

from redis_mob.admin.acl import PASSWORD_PLACE, Rights
from redis_mob.testing.servers.raw_client import RawClient, client_of

PASSWORD = "s3cr3t-pass"  # noqa: S105


def admin_of(url: str) -> RawClient:
    """A client past the library, for the user who may do everything."""
    return client_of(url, retry=Retry(NoBackoff(), 0))


def set_user(do: Callable[..., Any], user: str, rights: Rights) -> None:
    """Make a user with these rights, as `redis-mob acl` says; `do` runs a command on the server."""
    command = rights.set_user(user).replace(PASSWORD_PLACE, f"#{sha256(PASSWORD.encode()).hexdigest()}")
    assert do(*command.split(" ")) in (True, b"OK")


def url_of_user(url: str, user: str) -> str:
    """The same address for another user."""
    scheme, separator, place = url.partition("://")
    return f"{scheme}{separator}{user}:{PASSWORD}@{place}"


@contextmanager
def user_of(url: str, rights: Rights, user: str = "worker") -> Generator[str]:
    """The URL of a new user with these rights, who is gone when the block ends."""
    with admin_of(url) as admin:
        set_user(admin.execute_command, user, rights)
        yield url_of_user(url, user)
        admin.execute_command("ACL", "DELUSER", user)
