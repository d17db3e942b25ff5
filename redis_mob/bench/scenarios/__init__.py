"""What this library does, as scenarios."""
