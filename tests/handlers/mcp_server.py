"""An MCP server of a test, on standard input and output: it notes each call in the file that it is given."""

from __future__ import annotations

import sys
from pathlib import Path

from mcp.server.mcpserver import MCPServer

server = MCPServer("notes")


@server.tool()
def note(text: str) -> str:
    """Note a text."""
    with Path(sys.argv[1]).open("a", encoding="utf-8") as file:
        file.write(f"{text}\n")
    return f"noted {text}"


if __name__ == "__main__":
    server.run("stdio")
