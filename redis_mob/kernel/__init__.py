"""Pure functions: transitions of runs, frames and loops, conditions, the planner. No I/O here."""
