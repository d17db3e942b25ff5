"""redis_mob: the coordination store of agent fleets."""
