"""Keeps what was given out of the validation errors of models that hold secrets, or hold such models.

pydantic keeps the rejected input in its errors, where `errors()` shows it although the message hides it. So these
models raise errors of the same places and messages that never knew the input.
"""

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar

from pydantic import ConfigDict, GetCoreSchemaHandler, TypeAdapter, ValidationError, ValidatorFunctionWrapHandler
from pydantic_core import CoreSchema, ErrorDetails, InitErrorDetails, PydanticCustomError, core_schema

from redis_mob.models.base import Model
from redis_mob.models.problems import without_tag

T = TypeVar("T")


def _quietly(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    try:
        return validate(value)
    except ValidationError as error:
        refusal = without_input(error)
    raise refusal


class SecretModel(Model):
    """A model whose validation errors hold nothing of what was given, however it is made."""

    model_config = ConfigDict(hide_input_in_errors=True)

    def __init__(self, /, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            refusal = without_input(error)
        else:
            return
        raise refusal  # outside of the block, so that the error that knows the input is not its context

    # Not a constructor of its own to pydantic, which would else call it for nested models, as if JSON were Python.
    __init__.__pydantic_base_init__ = True  # pyright: ignore[reportFunctionMemberAccess]

    def __repr_args__(self) -> Any:
        unknown = self.__pydantic_extra__ or {}  # may be secret, since it is not known what they are
        return [(name, value) for name, value in super().__repr_args__() if name not in unknown]

    def __setattr__(self, name: str, value: Any) -> None:
        try:
            super().__setattr__(name, value)  # which refuses, with the value in the error, because models are frozen
        except ValidationError as error:
            refusal = without_input(error)
        else:
            return
        raise refusal

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """The value that an object stands for; options as pydantic's. Raises pydantic's ValidationError."""
        return _forgetful(super().model_validate, obj, options)

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **options: Any) -> Self:
        """The value that a JSON text holds; options as pydantic's. Raises pydantic's ValidationError."""
        return _forgetful(super().model_validate_json, json_data, options)

    @classmethod
    def model_validate_strings(cls, obj: Any, **options: Any) -> Self:
        """The value that texts stand for; options as pydantic's. Raises pydantic's ValidationError."""
        return _forgetful(super().model_validate_strings, obj, options)


class SecretRecord(SecretModel):
    """A secret model that also is quiet as a field of a model of a user, which knows nothing of secrets.

    That holds for Python objects. What a JSON text of such a model holds, pydantic shows: it would hand it on as Python
    objects, which a strict model refuses where JSON has another type for the same.
    """

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        plain = handler(source)
        if plain["type"] == "json-or-python":  # pydantic has made it for the class itself, and asks again for a field
            return plain
        quiet = core_schema.no_info_wrap_validator_function(_quietly, plain)
        return core_schema.json_or_python_schema(json_schema=plain, python_schema=quiet)


class SecretAdapter(Generic[T]):
    """Reads values of another type than a model, with validation errors that hold nothing of what was given."""

    def __init__(self, kind: Any) -> None:
        self._adapter: TypeAdapter[T] = TypeAdapter(
            kind, config=ConfigDict(hide_input_in_errors=True, defer_build=True)
        )

    def validate_json(self, data: str | bytes | bytearray, /, **options: Any) -> T:
        """The value that a JSON text holds; options as pydantic's. Raises pydantic's ValidationError."""
        return _forgetful(self._adapter.validate_json, data, options)

    def validate_python(self, value: Any, /, **options: Any) -> T:
        """The value that an object stands for; options as pydantic's. Raises pydantic's ValidationError."""
        return _forgetful(self._adapter.validate_python, value, options)


FIRST_READ, THEN_READ = "(first)", "(then)"
"""How the two ways of reading are named in the places of errors, where a value is read in another way if need be."""


def without_input(error: ValidationError) -> ValidationError:
    """The same problems in the same places, without what was given, and without the errors that led to them.

    Where a value was read in two ways, the problems of the first are told, unless it is none of those that are read so.
    """
    found = error.errors(include_url=False, include_input=False)
    none_of_first = {
        one["loc"][:-1] for one in found if one["loc"][-1:] == (FIRST_READ,) and one["type"] == "union_tag_invalid"
    }

    def is_told(problem: ErrorDetails) -> bool:
        place = problem["loc"]
        for number, part in enumerate(place):
            if part in (FIRST_READ, THEN_READ) and (place[:number] in none_of_first) != (part == THEN_READ):
                return False
        return True

    problems = [
        InitErrorDetails(
            type=_known(problem["type"], without_tag(problem)),
            loc=tuple(part for part in problem["loc"] if part not in (FIRST_READ, THEN_READ)),
            input=None,
        )
        for problem in found
        if is_told(problem)
    ]
    return ValidationError.from_exception_data(error.title, problems, hide_input=True)


def _forgetful(read: Callable[..., T], given: Any, options: dict[str, Any]) -> T:
    try:
        return read(given, **options)
    except ValidationError as error:
        refusal = without_input(error)
    raise refusal


def _known(kind: Any, message: Any) -> PydanticCustomError:  # it asks for literal texts, against injection into them
    return PydanticCustomError(kind, message)
