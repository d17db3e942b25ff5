"""What is raised where some of several namespaces have failed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from redis_mob.errors import MobStoreError, RedisMobError, shown


class NamespacesFailedError(MobStoreError):
    """Some namespaces could not do what all were asked for; the others were asked, too (contract: shards-8).

    `failures` has the error of each namespace that failed, by its name. `partial` is what the call would have returned
    without these: answers by namespace, or a page of the runs of the others. It is None where nothing was to be
    returned.
    """

    def __init__(self, failures: Mapping[str, RedisMobError], partial: Any = None) -> None:
        told = "; ".join(f"{shown(namespace)}: {failure}" for namespace, failure in failures.items())
        some = "namespace" if len(failures) == 1 else f"{len(failures)} namespaces"
        super().__init__(f"{some} failed: {told}. `partial` has what the others answered: ask again for the rest")
        self.failures = dict(failures)
        self.partial = partial
