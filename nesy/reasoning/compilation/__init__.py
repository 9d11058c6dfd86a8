"""From a derivation graph to something that can be summed exactly: what the readings stand on.

problem, formula                      the part of a graph that some literals depend on, as gates
pieces, scopes, structures            cut by sample, by condition, and kept for all that are alike
sumproduct, families                  sums as they stand, where every branch shows that ways exclude each other
lifting, cutset                       sums and counts by convolution
order, frontier, closure, reduction   a decision diagram, one choice after the other
conditioning                          the same under a budget, with bounds where it ends
circuit                               whatever came of it, as layers of sums of products on torch
"""
