"""Internal: product units and the networks built from them."""
