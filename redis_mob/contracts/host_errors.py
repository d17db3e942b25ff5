"""Why a host store refuses."""

from __future__ import annotations

from datetime import timedelta

from redis_mob.errors import CasConflictError, shown


class HostFenceHeldError(CasConflictError):
    """The fence of a host store has a live holder, so that an exclusive acquire gave nothing (contract: host-2).

    `holder` is its token, `remaining` the time until its lease ends.
    """

    def __init__(self, holder: int, remaining: timedelta) -> None:
        super().__init__(
            f"the fence is held by token {holder} for {remaining.total_seconds():.3f} s more: wait, or take it over"
        )
        self.holder = holder
        self.remaining = remaining


class HostFencedOutError(CasConflictError):
    """A token is not that of the holder of a host store's fence: its writer stops. Nothing was written.

    `token` is the one that was given, `current` the highest one, 0 if there is none (contract: host-3).
    """

    def __init__(self, token: int, current: int) -> None:
        super().__init__(
            f"token {token} is fenced out: the current one is {current or 'none'}; acquire the fence again"
        )
        self.token = token
        self.current = current


class HostConflictError(CasConflictError):
    """A batch applies to another version of a scope than the stored one. Nothing of it was written.

    `kind` and `name` are those of the scope, `expected` is the version that the batch names, `actual` the stored one,
    each None for no such scope (contract: host-6).
    """

    def __init__(self, kind: str, name: str, expected: int | None, actual: int | None) -> None:
        said = "does not exist" if actual is None else f"is at version {actual}"
        wanted = "a batch creates it" if expected is None else f"a batch applies to version {expected}"
        super().__init__(f"{kind} scope {shown(name)} {said}, and {wanted}: load its head again")
        self.kind = kind
        self.name = name
        self.expected = expected
        self.actual = actual


class HostCommitReusedError(CasConflictError):
    """Another batch was committed under the id of this one, of which nothing was written (contract: host-7)."""

    def __init__(self, commit_id: str) -> None:
        super().__init__(f"commit {shown(commit_id)} was another batch: every batch needs an id of its own")
        self.commit_id = commit_id
