"""Internal: search: spaces of candidates, and the studies that explore them."""
