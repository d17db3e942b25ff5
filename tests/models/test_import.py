"""What importing models takes: Python evaluates their annotations, and no validator is built."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import NamedTuple

PROGRAM = """
import json, pkgutil, sys
from importlib import import_module
import redis_mob.models
from redis_mob.models.base import Model

for module in pkgutil.iter_modules(redis_mob.models.__path__, "redis_mob.models."):
    import_module(module.name)
import_module("redis_mob.operations.run_description")

def below(model):
    return [one for sub in model.__subclasses__() for one in (sub, *below(sub))]

print(json.dumps([
    (one.__name__, one.__pydantic_complete__, hasattr(sys.modules[one.__module__], "annotations"))
    for one in below(Model)
]))
"""
"""A module has the name `annotations` from `from __future__ import annotations`, which makes texts of them."""


class Imported(NamedTuple):
    """A model right after its module was imported."""

    name: str
    is_built: bool
    has_texts: bool


def test_models_are_made_fast() -> None:
    """Pydantic compiles each annotation that is a text, and to build a validator takes as long as to make ten models.

    The latter comes of a default that is made by `Other()`: `Other.unchecked()` builds none.
    """
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    models = [Imported(*one) for one in json.loads(ended.stdout)]
    assert [model.name for model in models if model.is_built or model.has_texts] == []
