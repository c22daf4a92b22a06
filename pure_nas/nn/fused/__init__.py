"""Internal: blocks with forward and backward passes of their own: what trains on a CPU."""
