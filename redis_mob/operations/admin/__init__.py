"""What operators do with a namespace, by subject; `FleetAdmin` is all of it."""
