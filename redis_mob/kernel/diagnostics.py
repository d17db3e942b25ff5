"""What validation says about a definition."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """An error makes a definition unusable; a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding: a stable code, a message for people, and where in the definition it is."""

    code: str
    message: str
    location: str | None
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        prefix = f"{self.location}: " if self.location else ""
        return f"{self.severity}[{self.code}] {prefix}{self.message}"
