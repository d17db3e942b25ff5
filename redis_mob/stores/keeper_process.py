"""The keeper of this process's leases as its workers see it: started for the first one, and told of each renewal."""

from __future__ import annotations

import atexit
import json
import logging
import os
import socket
import subprocess
import sys
import threading
from contextlib import suppress

from redis_mob.stores import lease_keeper
from redis_mob.stores.lease_renewal import WorkerLease

SHORTEST_KEPT = 2.0
"""Seconds of the shortest lease that is kept: a shorter one may expire while the keeper makes ready to renew it."""

TELL_SECONDS = 1.0
"""How long telling may take. A keeper that does not listen for so long is given up."""

END_SECONDS = 1.0
"""How long the end of this process waits for that of the keeper."""

MOST_STARTS = 3
"""How often a keeper is started, the first time included, if it ends by itself, as one does that the system kills for
want of memory."""

_LONGEST_TOLD = 65536

_log = logging.getLogger(__name__)


class KeptLease:
    """One lease that a thread renews. `renewed` and `end` may be called in any thread."""

    def __init__(self, lease: WorkerLease) -> None:
        self._lease = lease
        self._lock = threading.Lock()
        self._is_over = lease.milliseconds < SHORTEST_KEPT * 1000

    def renewed(self, at: float) -> None:
        """Tell the keeper that the lease was renewed at this time of `monotonic`; it is started if it does not run."""
        with self._lock:
            if not self._is_over:
                _keeper.tell(self._lease, at)

    def end(self) -> None:
        """Tell the keeper that the lease was lost, or is let go of. Calling it again does nothing."""
        with self._lock:
            if not self._is_over:
                self._is_over = True
                _keeper.tell(self._lease, None)


class _KeeperProcess:
    """One keeper for all workers of this process. No worker fails with it: then threads alone renew the leases."""

    def __init__(self) -> None:
        self.after_fork()

    def after_fork(self) -> None:
        """Begin without a keeper: that of the parent process is for the parent alone."""
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._link: socket.socket | None = None
        self._starts = 0

    def forget(self) -> None:
        """Do without the keeper of the parent process, in a process that was forked from it."""
        if self._link is not None:
            self._link.close()
        if self._process is not None:
            self._process.returncode = 0  # it is no child of this process, which must not wait for it
        self.after_fork()

    def tell(self, lease: WorkerLease, renewed_at: float | None) -> None:
        """Tell when a lease was renewed, or that it is over."""
        url, namespace, worker, milliseconds, pause = lease
        fields = (url, namespace, worker.decode("latin-1"), milliseconds, pause)
        line = json.dumps((fields, renewed_at)).encode() + b"\n"
        with self._lock:
            if self._link is None and renewed_at is not None:
                self._start()
            if self._link is not None:
                try:
                    self._link.sendall(line)
                    self._listen(self._link)
                except OSError as error:
                    self._give_up(error)

    def end(self) -> None:
        """End the keeper, at the end of this process."""
        with self._lock:
            if self._link is not None and self._process is not None:
                self._link.close()
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(END_SECONDS)

    def _listen(self, link: socket.socket) -> None:
        """Log what the keeper has said, which it does once and in one piece. It speaks when this process cannot."""
        link.settimeout(0)
        try:
            told = link.recv(_LONGEST_TOLD)
        except BlockingIOError:
            return
        finally:
            link.settimeout(TELL_SECONDS)
        if told:
            _log.warning(
                "a process that renews the lease of a worker while a handler holds the interpreter failed again and "
                "again (%s): such a handler may cost its worker the lease",
                json.loads(told),
            )

    def _start(self) -> None:
        if self._starts == MOST_STARTS:
            return
        self._starts += 1
        try:
            self._process, self._link = _started()
        except OSError as error:
            self._starts = MOST_STARTS
            _log.warning(
                "cannot start the process that keeps the leases of workers (%s): a handler that holds the interpreter "
                "for longer than the lease costs its worker the lease",
                error,
            )

    def _give_up(self, error: OSError) -> None:
        if self._link is not None and self._process is not None:
            self._link.close()
            self._process.kill()
            status = self._process.wait()
            _log.warning(
                "the process that keeps the leases of workers is lost (%s, exit status %d); %s",
                error,
                status,
                "no further one is started" if self._starts == MOST_STARTS else "the next renewal starts another one",
            )
        self._process = self._link = None


def _started() -> tuple[subprocess.Popen[bytes], socket.socket]:
    """A keeper and the link to it. Raises OSError."""
    if not sys.executable or getattr(sys, "frozen", False):
        raise OSError("this program has no Python to start it with")
    ours, theirs = socket.socketpair()
    ours.settimeout(TELL_SECONDS)
    with theirs:
        try:
            process = subprocess.Popen(  # noqa: S603
                # -P: the folder of the keeper holds no modules to import by their last names
                [sys.executable, "-P", lease_keeper.__file__, json.dumps(sys.path), str(os.getpid())],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # so that Ctrl-C and the end of the terminal do not reach it
            )
        except OSError:
            ours.close()
            raise
    return process, ours


_keeper = _KeeperProcess()
os.register_at_fork(after_in_child=_keeper.forget)
atexit.register(_keeper.end)
