"""Documents with revisions that survive deletion (contract: specs-3, profiles-5)."""

from __future__ import annotations


class RevisedDocuments:
    """Documents by name, as bytes, so that no reader shares an object with a writer."""

    def __init__(self) -> None:
        self.documents: dict[bytes, bytes] = {}
        self._counts: dict[bytes, int] = {}

    def revision(self, name: bytes) -> int:
        """The current revision of a document; 0 if there is none."""
        return self._counts[name] if name in self.documents else 0

    def put(self, name: bytes, document: bytes) -> int:
        """Store a document, and return its new revision."""
        self._counts[name] = self._counts.get(name, 0) + 1
        self.documents[name] = document
        return self._counts[name]

    def bring(self, name: bytes, document: bytes, revision: int) -> bool:
        """Store a document with a revision of its own. False if its name has had that one, or a greater one."""
        if self._counts.get(name, 0) >= revision:
            return False
        self._counts[name], self.documents[name] = revision, document
        return True
