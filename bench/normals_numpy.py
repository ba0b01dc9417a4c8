#!/usr/bin/env python3
"""Time of one double normal from NumPy's Generator(PCG64); the best of many runs."""
import time

import numpy

count = 100_000
generator = numpy.random.Generator(numpy.random.PCG64(1))
buffer = numpy.empty(count)
best = float("inf")
for _ in range(200):
    start = time.perf_counter()
    generator.standard_normal(out=buffer)
    best = min(best, time.perf_counter() - start)
print(f"numpy {numpy.__version__} standard_normal: {best / count * 1e9:.3f} ns per number")
