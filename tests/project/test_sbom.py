"""A list of what the wheel brings along is refused unless it fits the metadata of the wheel."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime
from email.message import Message
from pathlib import Path
from typing import Any
from zipfile import ZipFile, ZipInfo

import pytest

from tests.project.sbom import date_of_wheel, metadata_of, problems_of, requirements_of

METADATA = """\
Metadata-Version: 2.4
Name: redis-mob
Version: 1.0.0
Requires-Dist: msgpack<2,>=1.1
Requires-Dist: tomli_w>=1
Requires-Dist: tzdata; sys_platform == 'none'
Provides-Extra: http
Requires-Dist: httpx>=0.28; extra == 'http'
"""


def component(name: str, version: str) -> dict[str, Any]:
    return {"name": name, "version": version, "bom-ref": name, "purl": f"pkg:pypi/{name}@{version}"}


SBOM: dict[str, Any] = {
    "metadata": {"component": {"name": "redis-mob", "version": "1.0.0", "bom-ref": "root"}},
    "components": [component("msgpack", "1.2"), component("tomli-w", "1.2"), component("deeper", "1")],
    "dependencies": [
        {"ref": "root", "dependsOn": ["msgpack", "tomli-w"]},
        {"ref": "msgpack", "dependsOn": ["deeper"]},
        {"ref": "deeper"},
    ],
}


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    wheel = tmp_path / "redis_mob-1.0.0-py3-none-any.whl"
    with ZipFile(wheel, "w") as packed:
        info = ZipInfo("redis_mob-1.0.0.dist-info/METADATA", date_time=(2027, 1, 31, 12, 30, 2))
        packed.writestr(info, METADATA)
    return wheel


@pytest.fixture
def metadata(wheel: Path) -> Message:
    return metadata_of(wheel)


def test_extras_and_other_systems_are_left_out(metadata: Message) -> None:
    assert [one.name for one in requirements_of(metadata)] == ["msgpack", "tomli_w"]


def test_the_date_is_that_of_the_files(wheel: Path) -> None:
    assert datetime.fromtimestamp(date_of_wheel(wheel), UTC).isoformat() == "2027-01-31T12:30:02+00:00"


def test_a_list_that_fits_has_no_problem(metadata: Message) -> None:
    assert list(problems_of(SBOM, metadata)) == []


FAULTS: dict[str, Callable[[dict[str, Any]], object]] = {
    "it is about redis-mob 0.9, not redis-mob 1.0.0": lambda sbom: sbom["metadata"]["component"].update(version="0.9"),
    "it is about redis-mob None, not redis-mob 1.0.0": lambda sbom: sbom["metadata"]["component"].pop("version"),
    "tomli_w is missing": lambda sbom: sbom["components"].pop(1),
    "msgpack 2.0 does not satisfy <2,>=1.1": lambda sbom: sbom["components"][0].update(version="2.0"),
    "deeper is needed by none of the others": lambda sbom: sbom["dependencies"].pop(1),
    "deeper has no purl": lambda sbom: sbom["components"][2].pop("purl"),
}


@pytest.mark.parametrize("problem", FAULTS)
def test_a_fault_is_told(problem: str, metadata: Message) -> None:
    sbom = deepcopy(SBOM)
    FAULTS[problem](sbom)
    assert list(problems_of(sbom, metadata)) == [problem]
