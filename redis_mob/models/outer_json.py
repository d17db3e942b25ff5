"""JSON that others have written, read with plain words for what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NoReturn

from redis_mob.models.json_check import MAX_DIGITS


class NoJsonError(ValueError):
    """A text is not the JSON that is wanted; the message does not show what is in it."""


def read_json(text: str | bytes | bytearray, of_object: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """The value that a JSON text holds; objects as `of_object` makes them of their pairs, dicts without it.

    Raises NoJsonError, as `of_object` may.
    """
    try:
        return _decoder(of_object).decode(text if isinstance(text, str) else text.decode())
    except NoJsonError:
        raise
    except RecursionError:
        problem = "no JSON: it is nested too deeply"
    except json.JSONDecodeError as error:
        problem = f"no JSON: {error.msg}: line {error.lineno} column {error.colno} (char {error.pos})"
    except UnicodeDecodeError as error:
        problem = f"no JSON: it is no UTF-8 from byte {error.start} on"
    except ValueError:  # of a number that Python does not read
        problem = f"no JSON: an integer has more than {MAX_DIGITS} digits"
    raise NoJsonError(problem)  # not chained: what is caught holds the text


@lru_cache(maxsize=8)
def _decoder(of_object: Callable[[list[tuple[str, Any]]], Any] | None) -> json.JSONDecoder:
    """As `json.loads` makes one for each call that has options."""
    return json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=of_object)


def _refuse_constant(name: str) -> NoReturn:
    raise NoJsonError(f"no JSON: {name} is no JSON number")
