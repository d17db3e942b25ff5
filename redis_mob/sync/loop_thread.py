"""An event loop in a thread, and what other threads ask of it."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, Generic, TypeVar

from redis_mob.errors import InternalError

T = TypeVar("T")
V = TypeVar("V")


class LoopThread(Generic[V]):
    """Runs an event loop in a daemon thread, in which a value is open until this is closed.

    Any thread may call it but its own, and only in the process that made it.
    """

    def __init__(self, opening: AbstractAsyncContextManager[V]) -> None:
        self._process = os.getpid()
        self._opened: Future[V] = Future()
        self._is_closed = False
        self._lock = threading.Lock()
        self._runner = asyncio.Runner()
        self._loop = self._runner.get_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._work, args=(opening,), name="redis-mob-sync", daemon=True)
        self._thread.start()
        try:
            self.value = self._opened.result()
        except BaseException:  # it could not be opened, or the caller was interrupted
            self.close()
            raise

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine, which runs in the loop; the caller waits for it, and KeyboardInterrupt cancels it.

        Raises InternalError once this is closed, also for calls under way; in the loop's own thread, which would wait
        for itself; and in a process that was forked.
        """
        asked: Future[T] = Future()
        try:
            self.start(work, asked)
            return asked.result()
        except CancelledError:
            raise InternalError("this storage was closed during the call; open a new one") from None
        finally:
            asked.cancel()  # what was interrupted; a call that has ended stays as it is

    def start(self, work: Coroutine[Any, Any, T], asked: Future[T]) -> None:
        """Let a coroutine run in the loop, and do not wait for it. Raises as `run`.

        `asked` gets its result; to cancel it cancels the coroutine. The caller makes it before the call, so that it can
        cancel it even if KeyboardInterrupt ends this call just after the coroutine was handed to the loop.
        """
        with self._lock:
            refusal = self._refusal()
            if refusal is None:
                self._loop.call_soon_threadsafe(self._begin, work, asked)
                return
        work.close()
        raise InternalError(refusal)

    def _begin(self, work: Coroutine[Any, Any, T], asked: Future[T]) -> None:
        task = self._loop.create_task(work)
        task.add_done_callback(lambda _: _answer(asked, task))

        def cancel(_: Future[T]) -> None:
            if asked.cancelled() and not task.done():
                self._loop.call_soon_threadsafe(task.cancel)

        asked.add_done_callback(cancel)

    def start_if_open(self, work: Coroutine[Any, Any, object]) -> None:
        """Let a coroutine run in the loop if there is one; it raises nothing, and may be called in any thread."""
        with self._lock:
            if not self._is_closed and os.getpid() == self._process:
                asyncio.run_coroutine_threadsafe(work, self._loop)
                return
        work.close()

    def close(self) -> None:
        """Cancel what is under way, close the value, and end the thread. Calling it again does nothing.

        In a process that was forked it does nothing either: all belongs to the one that opened it.
        """
        if os.getpid() != self._process:
            return
        if threading.current_thread() is self._thread:
            raise InternalError("a storage cannot be closed by what runs in its own event loop; close it elsewhere")
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                with suppress(RuntimeError):  # what could not be opened has ended the loop
                    self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _refusal(self) -> str | None:
        if os.getpid() != self._process:
            return (
                f"this storage was opened by process {self._process} before a fork, and has no thread here; "
                "open one in each process, after the fork"
            )
        if self._is_closed:
            return "this storage was closed; open a new one"
        if threading.current_thread() is self._thread:
            return (
                "this call would wait for itself: it was made in the storage's own event loop. A handler that is a "
                "coroutine function opens redis_mob.MobStorage and awaits it; a plain function may call this"
            )
        return None

    def _work(self, opening: AbstractAsyncContextManager[V]) -> None:
        with self._runner:
            self._runner.run(self._serve(opening))

    async def _serve(self, opening: AbstractAsyncContextManager[V]) -> None:
        serving, stopped = asyncio.current_task(), asyncio.create_task(self._stop.wait())
        entering = asyncio.ensure_future(opening.__aenter__())
        await asyncio.wait({entering, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not entering.done():
            entering.cancel()
            await asyncio.wait({entering})
        try:
            value = entering.result()
        except asyncio.CancelledError:
            self._opened.set_exception(InternalError("the opening was interrupted"))
            return
        except Exception as error:  # noqa: BLE001 - it is raised where the storage is opened
            self._opened.set_exception(error)
            return
        self._opened.set_result(value)
        try:
            await stopped
            under_way = asyncio.all_tasks() - {serving}
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)
        finally:
            await opening.__aexit__(None, None, None)


def _answer(asked: Future[T], task: asyncio.Task[T]) -> None:
    """Hand on how a task has ended, unless the call was cancelled."""
    error = None if task.cancelled() else task.exception()
    if task.cancelled():
        asked.cancel()
    elif asked.set_running_or_notify_cancel():
        if error is not None:
            asked.set_exception(error)
        else:
            asked.set_result(task.result())


class Held(Generic[T]):
    """What an asynchronous context manager gives, held open in a loop by a task of its own, until this is closed."""

    def __init__(self, loop: LoopThread[Any], opening: AbstractAsyncContextManager[T]) -> None:
        self._loop = loop
        self._entered: Future[T] = Future()
        self._stop = asyncio.Event()
        self.ended: Future[None] = Future()
        try:
            loop.start(self._hold(opening), self.ended)
            self.value = self._entered.result()
        except BaseException:
            self.ended.cancel()
            raise

    async def _hold(self, opening: AbstractAsyncContextManager[T]) -> None:
        try:
            async with opening as value:
                self._entered.set_result(value)
                await self._stop.wait()
        except BaseException as error:
            if not self._entered.done():
                self._entered.set_exception(error)
            raise

    def release(self) -> None:
        """Let it be closed, and do not wait for that; any thread may call it."""
        self._loop.start_if_open(self._end())

    def close(self) -> None:
        """Close it, and raise what it raised while it was open. It is closed with its loop, too."""
        self.release()
        try:
            self.ended.result()
        except CancelledError:
            return
        except KeyboardInterrupt:
            self.ended.cancel()
            raise

    async def _end(self) -> None:
        self._stop.set()
