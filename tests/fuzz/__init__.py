"""Random and mutated input of each kind that comes from outside; tests/robustness/README.md lists what was found."""
