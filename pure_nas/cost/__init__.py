"""Internal: what a network costs: parameters, flops, latency and activation memory.

Flops follow fvcore's convention: a multiply-accumulate is one flop, a norm two per element, ReLU none. The
additions of skips and the elementwise work of units are counted too, one per element and operation.
"""
