"""Says what of a server's settings and state would lose data or break: looks, and checks what it saw."""
