# What bench/peers/dbos_steps.py uses of DBOS, which is installed for `make bench-peers` alone.
from collections.abc import Awaitable, Callable
from typing import Generic, ParamSpec, TypedDict, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

class DBOSConfig(TypedDict):
    name: str
    system_database_url: str
    log_level: str

class WorkflowHandleAsync(Generic[R]):
    async def get_result(self) -> R: ...

class DBOS:
    def __init__(self, *, config: DBOSConfig) -> None: ...
    @classmethod
    def launch(cls) -> None: ...
    @classmethod
    def destroy(cls) -> None: ...
    @classmethod
    def step(cls) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
    @classmethod
    def workflow(cls) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
    @classmethod
    async def start_workflow_async(
        cls, func: Callable[P, Awaitable[R]], *args: P.args, **kwargs: P.kwargs
    ) -> WorkflowHandleAsync[R]: ...
