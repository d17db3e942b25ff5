"""Following logs: a subscription reads on from a cursor, and wake-ups say when there is something to read."""
