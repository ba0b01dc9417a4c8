#!/usr/bin/env python3
"""Time of one step of mini-batch SGD on least squares, written as one writes it in NumPy: B x d samples a step."""
import time

import numpy

dimension, rate, sigma = 1000, 0.05, 0.2
generator = numpy.random.Generator(numpy.random.PCG64(1))
root = numpy.arange(1, dimension + 1) ** -0.6
optimum = numpy.arange(1, dimension + 1) ** -0.5
for batch in (1, 16, 256):
    theta = numpy.zeros(dimension)
    steps = max(20, 20_000 // batch)
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(steps // 5):
            x = generator.standard_normal((batch, dimension)) * root
            y = x @ optimum + sigma * generator.standard_normal(batch)
            theta -= rate / batch * (x.T @ (x @ theta - y))
        best = min(best, (time.perf_counter() - start) / (steps // 5))
    print(f"numpy naive SGD, d = {dimension}, B = {batch}: {best * 1e6:.2f} us per step")
