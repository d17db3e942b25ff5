"""What the annotations of a handler promise: what it takes, what it gives, and what is made for it (decision 0026)."""
