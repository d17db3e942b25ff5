"""Ed25519 identities, and the rules that tie a key to its peer id. No I/O here."""
