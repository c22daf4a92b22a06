"""Numbers about numbers: fronts, intervals and tests, convergence."""
