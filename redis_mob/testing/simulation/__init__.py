"""Deterministic simulation: one seed decides scheduler, clock, network and crashes of workers (decision 0072).

docs/testing.md shows how: `simulate_flow` simulates a flow with its handlers, `python -m redis_mob.testing.simulation`
flows that the seeds generate. The workers are those of the product, over a storage in memory and behind a simulated
network.
"""

from redis_mob.testing.simulation.flow_simulation import SimulationError, simulate_flow

__all__ = ["SimulationError", "simulate_flow"]
