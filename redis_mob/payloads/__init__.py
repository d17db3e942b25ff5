"""How payloads are stored: compressed, sealed, and the large ones outside of the server (contract: payload-1)."""
