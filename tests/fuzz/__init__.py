"""Random and mutated input of every kind that comes from outside; README.md of tests/robustness lists what was found."""
