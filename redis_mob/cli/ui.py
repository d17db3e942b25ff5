"""`redis-mob ui`: reads who may use the page, and serves it until the process is told to end."""

from __future__ import annotations

import asyncio
import getpass
import logging
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from redis_mob.admin.namespaces import some_namespaces
from redis_mob.cli.arguments import read_seal_keys
from redis_mob.cli.console import stderr_console
from redis_mob.cli.endings import say, shared_url
from redis_mob.cli.extras import needs_extra
from redis_mob.cli.secret_files import secret_in
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import StorageUnavailableError, ValidationError, did_you_mean, shown
from redis_mob.storage import MobStorage

if TYPE_CHECKING:
    from redis_mob.ui.settings import UiSettings

MOST_BYTES = 1_000_000
"""Bytes of a file of tokens."""


@dataclass(frozen=True, slots=True)
class UiOptions:
    """The options as the command line gives them."""

    host: str
    port: int
    token_file: str | None
    proxy_header: str | None
    proxy_addresses: tuple[str, ...]
    roles_header: str | None
    operate_role: str
    operators: tuple[str, ...]
    allowed_hosts: tuple[str, ...]
    url: str | None
    namespace: str
    seal_keys: Path | None


def serve(options: UiOptions) -> None:
    """Serve until the end. Raises RedisMobError for options that make no sense, before anything is opened."""
    with needs_extra("redis-mob ui", "ui"):
        from redis_mob.ui import serving
    from redis_mob.ui.settings import RETRY

    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    logging.getLogger("redis_mob.ui.access").setLevel(logging.INFO)  # who has logged in is told
    settings = settings_of(options)
    url = shared_url(options.url, of_memory="no other process has a fleet there")
    keys, namespace = read_seal_keys(options.seal_keys), Keys(options.namespace).namespace
    console = stderr_console()

    @asynccontextmanager
    async def opens() -> AsyncGenerator[MobStorage]:
        opening = MobStorage.open(url, namespace=namespace, seal_key=keys, create=False, retry=RETRY)
        async with opening as storage:
            if not storage.exists:
                raise StorageUnavailableError(await _none_there(storage, namespace))
            yield storage

    asyncio.run(serving.serve(opens, namespace, settings, lambda line: say(console, line)))


def settings_of(options: UiOptions) -> UiSettings:
    """Where the page is served, and for whom. Raises ValidationError."""
    from redis_mob.ui.access.proxy import TrustedProxy, networks
    from redis_mob.ui.access.tokens import tokens_in, tokens_of_environment
    from redis_mob.ui.settings import UiSettings

    proxy = None
    if options.proxy_header is not None:
        proxy = TrustedProxy(
            options.proxy_header,
            networks(options.proxy_addresses),
            options.roles_header,
            options.operate_role,
            frozenset(options.operators),
        )
    elif options.proxy_addresses or options.roles_header is not None or options.operators:
        raise ValidationError(
            "--proxy-address, --roles-header and --operator are about a proxy: give --proxy-header, in which it names "
            "the user"
        )
    tokens = tokens_of_environment(os.environ)
    text = secret_in(options.token_file, "--token-file", most=MOST_BYTES)
    if text is not None and options.token_file is not None:
        if tokens:
            raise ValidationError("--token-file is given, and a token in the environment: give one of them")
        tokens = tokens_in(text, options.token_file)
    return UiSettings(
        host=options.host,
        port=options.port,
        tokens=tokens,
        proxy=proxy,
        allowed_hosts=tuple(host.lower() for host in options.allowed_hosts),
        local_user=_local_user(),
    )


def _local_user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may know no names
        return "local"


async def _none_there(storage: MobStorage, namespace: str) -> str:
    near = did_you_mean(namespace, await some_namespaces(storage.url, namespace))
    return f"there is no namespace {shown(namespace)} on this server{near}: the first run in it makes it"
