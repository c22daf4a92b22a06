"""Internal: experiments: a question, and the grid of networks, recipes and seeds that answers it."""
