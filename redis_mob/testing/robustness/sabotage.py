"""Plants a fault in the library of this process: a line of a script or of a module is another one.

That happens before what is changed is imported, and reaches no other process.
"""

from __future__ import annotations

import atexit
import importlib.abc
import importlib.machinery
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType

from redis_mob.testing.robustness.saboteurs import SABOTEURS, Saboteur


def plant(name: str) -> None:
    """Plant a fault by its name. Raises ValueError where its line is not found, or comes too late."""
    saboteur = SABOTEURS[name]
    if saboteur.file.startswith("lua/"):
        _plant_in_script(saboteur)
    else:
        module = saboteur.file.removesuffix(".py").replace("/", ".")
        if module in sys.modules:
            raise ValueError(f"{module} is imported already: plant {name} before that")
        sys.meta_path.insert(0, _Finder(module, saboteur))


def sabotaged(saboteur: Saboteur, text: str) -> str:
    """A file with the fault in it. Raises ValueError unless the line of the saboteur stands in it once."""
    if (times := text.count(saboteur.line)) != 1:
        raise ValueError(
            f"the line of saboteur {saboteur.name} stands {times} times in {saboteur.file}: {saboteur.line}"
        )
    return text.replace(saboteur.line, saboteur.replaced)


def _plant_in_script(saboteur: Saboteur) -> None:
    from redis_mob.connection.calls import scripts

    original = scripts.scripts_root()
    copied = Path(tempfile.mkdtemp(prefix="redis-mob-sabotage-"), "lua")
    atexit.register(shutil.rmtree, copied.parent, ignore_errors=True)
    shutil.copytree(str(original), copied)
    file = copied.parent / saboteur.file
    file.write_text(sabotaged(saboteur, file.read_text()))
    scripts.scripts_root = lambda: copied
    scripts.library.cache_clear()
    scripts.script.cache_clear()


class _Finder(importlib.abc.MetaPathFinder):
    """Finds one module, and gives its source another line."""

    def __init__(self, module: str, saboteur: Saboteur) -> None:
        self._module = module
        self._saboteur = saboteur

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        assert spec is not None
        assert spec.origin is not None
        spec.loader = _Loader(fullname, spec.origin, self._saboteur)
        return spec


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, fullname: str, path: str, saboteur: Saboteur) -> None:
        super().__init__(fullname, path)
        self._saboteur = saboteur

    def get_code(self, fullname: str) -> CodeType:
        source = sabotaged(self._saboteur, Path(self.path).read_text())
        return compile(source, self.path, "exec", dont_inherit=True)
