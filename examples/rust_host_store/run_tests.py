"""Runs the tests of the adapter against a server of its own, each test in a namespace that is named as it is.

python -m examples.rust_host_store.run_tests [arguments of `cargo test`]
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

from redis_mob import MobStorage
from redis_mob.connection.embedded.server import EmbeddedServer

HERE = Path(__file__).parent
TEST = re.compile(r"#\[tokio::test.*\]\nasync fn (\w+)\(")


async def main() -> int:
    """Start the server, create the namespaces, and run the tests; returns what cargo ends with."""
    server = await EmbeddedServer.start()
    try:
        for file in (HERE / "tests").glob("*.rs"):
            for name in TEST.findall(file.read_text()):
                async with MobStorage.open(server.url, namespace=name):
                    pass
        environment = os.environ | {"HOST_STORE_URL": server.url}
        command = ["cargo", "test", *sys.argv[1:]]
        return (await asyncio.to_thread(subprocess.run, command, cwd=HERE, env=environment, check=False)).returncode
    finally:
        await server.aclose()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
