"""Installs the wheel with each of its extras, alone, and uses what needs it: `make smoke`.

    python -m tests.project.smoke_extras dist/redis_mob-0.1.0-py3-none-any.whl [extra ...]

An extra is enough for what it is for: its program runs in an environment that has the package, this extra, and what
these need, and out of sight of the checkout.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAMS = {
    "bench": "import asyncpg\nfrom redis_mob.bench.output.plots import require_plots\nrequire_plots().figure()",
    "chat": "from redis_mob.handlers import chat\nchat('gpt', base_url='http://localhost:1/v1')",
    "containers": "from redis_mob.testing.containers import DEFAULT_IMAGE\nassert DEFAULT_IMAGE",
    "http": "from redis_mob.handlers import http\nhttp('http://localhost:1/')\nimport redis_mob.webhooks.delivery",
    "langgraph": "from redis_mob.langgraph import RedisMobSaver, RedisMobStore\nassert RedisMobSaver.aput",
    "mcp": "from redis_mob.mcp import mcp_server\nfrom redis_mob.handlers import mcp_tools\nassert mcp_server",
    "metrics": (
        "from redis_mob.metrics.process_page import count_in_this_process, process_page\n"
        "assert count_in_this_process() and process_page('').text is not None"
    ),
    "openai-agents": (
        "from agents import Agent\nfrom redis_mob.handlers import openai_agent_tool, openai_agents\n"
        "openai_agents(Agent(name='a'))"
    ),
    "otel": (
        "import redis_mob.telemetry.instruments, redis_mob.telemetry.spans\n"
        "from redis_mob.telemetry.providers import set_spans\nassert set_spans() is None"
    ),
    "payloads": "from redis_mob.backup.file_format import _zstd\nassert _zstd().ZstdCompressor().compress(b'a' * 99)",
    "pydantic-ai": (
        "from pydantic_ai import Agent\nfrom redis_mob.handlers import pydantic_ai\n"
        "from redis_mob.pydantic_ai import Durable\npydantic_ai(Agent())"
    ),
    "pydantic-ai-harness": "from redis_mob.pydantic_ai import Durable, RedisMobStepStore\nassert RedisMobStepStore",
    "s3": "from redis_mob.payloads.bucket import BucketBlobs\nassert BucketBlobs",
    "testing": "from redis_mob.testing import conformance, fixtures\nassert conformance.__all__",
    "ui": "from redis_mob.ui.app import ui_app\nimport uvicorn\nassert ui_app",
}
"""What is done with each extra, in a few lines."""

MISSING = "import importlib.util, sys\nsys.exit(importlib.util.find_spec('pytest') is not None)"
"""The environments have no more than was asked for: pytest is in none but that of `testing` and `containers`."""


def main(wheel: Path, extras: list[str]) -> None:
    uv = Path(sys.executable).parent / "uv"
    with tempfile.TemporaryDirectory(prefix="redis-mob-extras-") as directory:
        for extra in extras or PROGRAMS:
            python = Path(directory) / extra / "bin" / "python"
            subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, python.parents[1]], check=True)
            wanted = f"redis-mob[{extra}] @ {wheel.resolve().as_uri()}"
            subprocess.run([uv, "pip", "install", "--quiet", "--python", python, wanted], check=True)
            if extra not in {"testing", "containers"}:
                subprocess.run([python, "-c", MISSING], cwd=directory, check=True)
            subprocess.run([python, "-c", PROGRAMS[extra]], cwd=directory, check=True)
            print(f"{wheel.name}[{extra}] does what it is for", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
