"""What a network costs: parameters, flops (as docs/design.md defines them), latency and activation memory."""
