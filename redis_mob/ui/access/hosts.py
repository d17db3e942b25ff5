"""Under which name a request has come, and from which site: against DNS rebinding and requests that others forge."""

from __future__ import annotations

import ipaddress
import re

from starlette.requests import HTTPConnection

from redis_mob.errors import shown
from redis_mob.security.bearer_tokens import ALL_ADDRESSES, is_loopback
from redis_mob.ui.refusals import ForbiddenError
from redis_mob.ui.settings import UiSettings

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def check_host(connection: HTTPConnection, settings: UiSettings) -> None:
    """Raise ForbiddenError for a request that names another host than this one.

    A page of another site can have its name lead to this address, and would be asked by its visitors' browsers in
    their stead; but its name stands in the request.
    """
    if (known := _known(settings)) is None:
        return
    named = connection.headers.getlist("host")
    if len(named) != 1 or _name(named[0]) not in known:
        raise ForbiddenError(
            f"the request names the host {shown(', '.join(named))}, and this page is {', '.join(sorted(known))}: "
            "start it with --allowed-host if that is another name of it"
        )


def check_origin(connection: HTTPConnection, settings: UiSettings) -> None:
    """Raise ForbiddenError for a request that a browser sends for the page of another site."""
    site = connection.headers.get("sec-fetch-site", "same-origin")
    origins = connection.headers.getlist("origin")
    host = connection.headers.get("host", "")
    _, _, place = (origins[0] if origins else f"http://{host}").partition("://")
    is_own = place == host or (place and _name(place) in settings.allowed_hosts)
    if len(origins) > 1 or site not in ("same-origin", "none") or not is_own:
        raise ForbiddenError(
            f"the request comes from {shown(origins[0] if origins else site)}, which is not this page: start it with "
            "--allowed-host if that is another name of it"
        )


def _known(settings: UiSettings) -> frozenset[str] | None:
    """The names of this host; None if it is not known under which names it is reached."""
    own = {settings.host, *_LOOPBACK} if is_loopback(settings.host) else {settings.host}
    if settings.host in ALL_ADDRESSES:
        return frozenset((*settings.allowed_hosts, *_LOOPBACK)) if settings.allowed_hosts else None
    return frozenset((*own, *settings.allowed_hosts))


def _name(place: str) -> str:
    """The name in HOST or HOST:PORT, in lower case."""
    name = place.strip().lower()
    if (bracketed := re.fullmatch(r"\[([^\]]*)\](:[0-9]*)?", name)) is not None:
        name = bracketed[1]
    elif name.count(":") == 1:
        name = name.partition(":")[0]
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.removesuffix(".")
