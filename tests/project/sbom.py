"""Writes what the wheel brings along as a CycloneDX document: `make sbom`.

    python -m tests.project.sbom dist/redis_mob-1.0.0-py3-none-any.whl dist/redis_mob-1.0.0.cdx.json

The wheel is installed without extras into an environment of its own, of which cyclonedx-py lists the packages. The
document is refused unless it has the package itself, each of its requirements in a version that satisfies it, and
all that these need in turn.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from calendar import timegm
from collections.abc import Iterable
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

Sbom = dict[str, Any]


def main(wheel: Path, target: Path) -> None:
    said = metadata_of(wheel)
    with tempfile.TemporaryDirectory(prefix="redis-mob-sbom-") as directory:
        python, project = Path(directory) / "environment" / "bin" / "python", Path(directory) / "pyproject.toml"
        uv = Path(sys.executable).parent / "uv"
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, python.parents[1]], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, wheel], check=True)
        # the project's own pyproject.toml leaves its version to the build
        root = {"name": said["Name"], "version": said["Version"], "description": said["Summary"]}
        root |= {"license": said["License-Expression"], "dependencies": [str(one) for one in requirements_of(said)]}
        lines = [f"{key} = {json.dumps(value)}" for key, value in root.items()]
        project.write_text("\n".join(["[project]", *lines]), encoding="utf-8")
        cyclonedx = [Path(sys.executable).parent / "cyclonedx-py", "environment", python, "--pyproject", project]
        form = ["--mc-type", "library", "--output-reproducible", "--of", "JSON", "--output-file", target]
        dated = os.environ | {"SOURCE_DATE_EPOCH": str(date_of_wheel(wheel))}
        subprocess.run([*cyclonedx, *form], env=dated, check=True)
    sbom = json.loads(target.read_text(encoding="utf-8"))
    if problems := list(problems_of(sbom, said)):
        target.unlink()
        sys.exit(f"the document does not describe {wheel.name}: {'; '.join(problems)}")
    print(f"{target}: {len(sbom['components'])} components")


def metadata_of(wheel: Path) -> Message:
    """The file METADATA of a wheel: its name, version and requirements, among others."""
    with ZipFile(wheel) as packed:
        [name] = (name for name in packed.namelist() if name.endswith(".dist-info/METADATA"))
        return message_from_bytes(packed.read(name))


def requirements_of(metadata: Message) -> list[Requirement]:
    """What is installed with a wheel on this machine, without its extras."""
    wanted = [Requirement(text) for text in metadata.get_all("Requires-Dist", [])]
    return [one for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]


def date_of_wheel(wheel: Path) -> int:
    """The date of its files, in seconds of Unix, which is that of its commit."""
    with ZipFile(wheel) as packed:
        return timegm((*packed.infolist()[0].date_time, 0, 0, 0))


def problems_of(sbom: Sbom, metadata: Message) -> Iterable[str]:
    """What a document says otherwise than the metadata of the wheel."""
    root = sbom["metadata"]["component"]
    if (root["name"], root.get("version")) != (metadata["Name"], metadata["Version"]):
        yield f"it is about {root['name']} {root.get('version')}, not {metadata['Name']} {metadata['Version']}"
    components = {canonicalize_name(one["name"]): one for one in sbom["components"]}
    for wanted in requirements_of(metadata):
        component = components.get(canonicalize_name(wanted.name))
        if component is None:
            yield f"{wanted.name} is missing"
        elif not wanted.specifier.contains(component["version"], prereleases=True):
            yield f"{wanted.name} {component['version']} does not satisfy {wanted.specifier}"
    needed = _needed(root["bom-ref"], {one["ref"]: one.get("dependsOn", []) for one in sbom["dependencies"]})
    for component in components.values():
        if component["bom-ref"] not in needed:
            yield f"{component['name']} is needed by none of the others"
        if not component.get("purl"):
            yield f"{component['name']} has no purl"


def _needed(root: str, needs: dict[str, list[str]]) -> set[str]:
    """All that a component needs, and these in turn."""
    seen, waiting = {root}, [root]
    while waiting:
        new = set(needs.get(waiting.pop(), ())) - seen
        seen |= new
        waiting += new
    return seen


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
