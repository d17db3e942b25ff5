"""What is persisted: frozen models that read and write the contract's JSON. No I/O here."""
