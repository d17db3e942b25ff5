"""Models whose fields may be read later: what a store has got of a large record is decoded when it is asked for."""

from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any, Self, cast

from pydantic import GetJsonSchemaHandler, SerializerFunctionWrapHandler, model_serializer
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from redis_mob.models.base import Model

_UNREAD = "_unread"


class LateFields(Model):
    """A model of which some fields are read when they are asked for.

    It is the same value as one that has all its fields: it is compared, shown, written, copied and pickled with them.
    What reading a field raises is raised where the field is asked for, each time.
    """

    @classmethod
    def with_late_fields(cls, readers: Mapping[str, Callable[[], Any]], **values: Any) -> Self:
        """The model of these values, which are not checked, and of what each reader gives for its field.

        A reader may be called more than once, and gives the same value then.
        """
        made = cls.unchecked(**values)
        for name in readers:
            vars(made).pop(name, None)
        vars(made)[_UNREAD] = readers
        return made

    if not TYPE_CHECKING:
        # a type checker that saw it would take any name for an attribute

        def __getattr__(self, name: str) -> Any:
            # called only for what the instance does not have
            readers: Mapping[str, Callable[[], Any]] | None = vars(self).get(_UNREAD)
            if readers is None or name not in readers:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            value = vars(self)[name] = readers[name]()
            return value

    def complete(self) -> Self:
        """The same model, with all its fields read, in the order of its JSON. Raises what reading a field raises."""
        fields = vars(self)
        if _UNREAD in fields:
            complete = {name: getattr(self, name) for name in type(self).model_fields}
            object.__setattr__(self, "__dict__", complete)
        return self

    @model_serializer(mode="wrap")
    def _serialized(self, write: SerializerFunctionWrapHandler) -> Any:
        return write(self.complete())

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        # without the serializer, which leaves the form as it is, and of which pydantic would describe nothing
        described = {name: value for name, value in schema.items() if name != "serialization"}
        return handler(cast("CoreSchema", described))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, LateFields):
            other.complete()
        return super(LateFields, self.complete()).__eq__(other)

    def __hash__(self) -> int:
        return hash(tuple(vars(self.complete()).values()))

    def __iter__(self) -> Generator[tuple[str, Any]]:  # pyright: ignore[reportIncompatibleMethodOverride]
        yield from super(LateFields, self.complete()).__iter__()

    def __repr_args__(self) -> Any:
        return super(LateFields, self.complete()).__repr_args__()

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return super(LateFields, self.complete()).__deepcopy__(memo)

    def __getstate__(self) -> dict[Any, Any]:
        return super(LateFields, self.complete()).__getstate__()
