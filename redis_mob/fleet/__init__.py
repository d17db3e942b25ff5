"""Workers that drive flows over a storage."""
