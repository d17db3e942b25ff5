"""The wheel and the source archive have what they should, and the same bytes wherever they are built."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest

from redis_mob.version import __version__
from tests.project.checkout import ROOT
from tests.project.distributions import build, date_of, main
from tests.project.reproducible import difference, digests, wheel_of_archive

pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="a source archive does not know what git has")

KEPT_OUT = {".ci/run"}
"""Of use in the repository alone."""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of what git has of this one, as it is now."""
    tree = tmp_path_factory.mktemp("checkout") / "tree"
    for name in tracked(ROOT):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tree / name)
    author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["add", "-f", "."], [*author, "commit", "-qm", "As it is"]):
        subprocess.run(["git", *words], cwd=tree, check=True)
    return tree


@pytest.fixture(scope="module")
def built(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The source archive and the wheel."""
    archive, wheel = sorted(build(tree, tmp_path_factory.mktemp("dist")), key=lambda file: file.suffix)
    return archive, wheel


def tracked(tree: Path) -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=tree, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [name for name in listed.split("\0") if name and (tree / name).exists()]


def test_the_source_archive_has_what_git_has(tree: Path, built: tuple[Path, Path]) -> None:
    with tarfile.open(built[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
        dates = {member.mtime for member in archive}
    assert names == set(tracked(tree)) - KEPT_OUT | {"PKG-INFO"}
    assert dates == {date_of(tree)}


def test_the_wheel_has_the_package_the_scripts_and_what_is_said_of_them(tree: Path, built: tuple[Path, Path]) -> None:
    package = {name for name in tracked(tree) if name.startswith("redis_mob/")}
    scripts = {f"redis_mob/{name}" for name in tracked(tree) if name.startswith("lua/")}
    of_the_wheel = ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    said = {f"redis_mob-{__version__}.dist-info/{name}" for name in of_the_wheel}
    assert set(ZipFile(built[1]).namelist()) == package | scripts | said


def test_the_archive_builds_the_same_wheel(built: tuple[Path, Path], tmp_path: Path) -> None:
    [wheel] = wheel_of_archive(built[0], tmp_path / "unpacked")
    assert digests([wheel]) == digests([built[1]])


@pytest.mark.parametrize("change", ["notes.md", "redis_mob/stray.py", "README.md"])
def test_a_tree_with_changes_is_refused_before_anything_is_removed(
    change: str, tree: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    before = (tree / change).read_bytes() if (tree / change).exists() else None
    request.addfinalizer(lambda: (tree / change).write_bytes(before) if before else (tree / change).unlink())
    (tree / change).write_text("something")
    with pytest.raises(SystemExit, match=change):
        main(tree, tmp_path)
    assert tmp_path.exists()


def test_files_that_differ_are_named() -> None:
    assert difference([{"a": "1", "b": "2"}, {"a": "1", "b": "2"}]) is None
    assert "not reproducible: b (" in str(difference([{"a": "1", "b": "2"}, {"a": "1", "b": "3"}]))
    assert "not reproducible: a (" in str(difference([{"a": "1", "b": "2"}, {"b": "2"}]))
