"""The stores in the memory of one process: the contracts in their simplest form, for tests and as a reference."""
