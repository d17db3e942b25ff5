"""The version of this package, and of the layout of namespaces; the only place where they are written.

The build and the command read the version here. It is not asked of importlib.metadata, which would read the files of
the installation at every import. Decision 0068 says what the numbers of the version promise, decision 0069 what those
of the layout mean, and who raises the one of a namespace.
"""

__version__ = "0.1.0"

NAMESPACE_SCHEMA = 2
"""The newest layout of keys and fields that this release reads and writes; `redis-mob migrate` raises one to it.

2: runs have a version, and executions may be reported. What version 1 has written is read as it is; opening marks it.
"""

INITIAL_SCHEMA = 2
"""The layout that a new namespace gets, and that opening raises an older one to.

A release that brings a new layout leaves this as it was, so that the release before can open what it creates.
"""

ANNOUNCED_SCHEMA = 2
"""The layout that workers read which do not say it: those of releases before workers told theirs."""
