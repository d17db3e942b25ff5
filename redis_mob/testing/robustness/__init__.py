"""Published: what breaks a storage under load, and what judges whether it kept its promises (docs/testing.md,
decision 0073).

A history is what clients did to a storage, and what they were told, while a nemesis broke it: `clients` makes the
calls, `objects` and `log` say what a storage may answer, `nemeses` break servers and networks, `judging` compares the
two. `runner` does all of that once, on servers that `deployment` starts, and returns a `Verdict`. `fleet` does it with
workers that execute flows. `python -m redis_mob.testing.robustness` does it again and again, and `campaign` for all
topologies.

Another implementation of `redis_mob.contracts` is tried with `runner.record`, which asks for no more than a way to open
it.
"""
