"""Installs a built artefact into an environment of its own, and uses it out of sight of the checkout: `make smoke`.

    python -m tests.project.smoke dist/redis_mob-0.1.0-py3-none-any.whl

The installed command says its version and runs a flow on two workers; the conformance suite runs from the package.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from redis_mob.version import __version__
from tests.project.checkout import ROOT

FLOW = ("run", "hello.toml", "--flow", "hello", "--handler", "handlers:greet", "--workers", "2", "--json")


def main(artefact: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="redis-mob-smoke-") as directory:
        work = Path(directory) / "work"
        shutil.copytree(ROOT / "examples" / "quickstart", work)
        shutil.copy(ROOT / "tests" / "project" / "installed_suite.py", work / "test_installed.py")
        programs = _installed(artefact, Path(directory) / "venv")

        said = _output(work, programs / "redis-mob", "--version")
        assert said == f"redis-mob {__version__}\n", said
        outputs = json.loads(_output(work, programs / "redis-mob", *FLOW))["outputs"]
        assert outputs == {"greet": {"greeter-1": "Hello, world!"}}, outputs
        print(f"{artefact.name}: version {__version__}, a flow has run", flush=True)
        suite = [programs / "python", "-m", "pytest", "-q", "test_installed.py"]
        subprocess.run(suite, cwd=work, check=True)


def _installed(artefact: Path, environment: Path) -> Path:
    """The folder of the programs of a new environment with the artefact, its dependencies and those of the suite."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    programs = environment / "bin"
    pip = [sys.executable, "-m", "pip", "--python", programs / "python", "install", "--quiet"]
    subprocess.run([*pip, f"{artefact.resolve()}[testing]"], check=True)
    return programs


def _output(directory: Path, *command: str | Path) -> str:
    return subprocess.run(command, cwd=directory, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]))
