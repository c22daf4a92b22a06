"""Internal: numbers about numbers: fronts, intervals and tests, convergence."""
