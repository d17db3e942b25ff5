"""How payloads are stored."""
