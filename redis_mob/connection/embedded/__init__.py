"""The server that `embedded:` starts for a storage and ends with its owner."""
