"""Texts of others for a line that people read."""


def printable(text: str) -> str:
    """The text on one line, without characters that a terminal would obey."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
