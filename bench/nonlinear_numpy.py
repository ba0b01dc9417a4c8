"""Simulated signSGD and clipped SGD in plain NumPy: what a notebook would run. Peer of nonlinear_bench."""

import time

import numpy as np

d, steps = 500, 3000
j = np.arange(1, d + 1.0)
root = j**-0.25
rng = np.random.default_rng(1)


def run(kind):
    v = -(j**-0.5)
    for _ in range(steps):
        x = root * rng.standard_normal(d)
        if kind == "sign":
            r = x @ v - 0.5 * rng.standard_normal()
            v -= 0.002 * np.sign(r * x)
        else:
            r = x @ v - 0.5 * rng.standard_cauchy()
            g = r * x
            v -= 0.01 * g * min(1.0, 3 / np.linalg.norm(g))


for kind in ("sign", "clip"):
    best = np.inf
    for _ in range(5):
        begin = time.perf_counter()
        run(kind)
        best = min(best, time.perf_counter() - begin)
    print(f"{kind:5s} NumPy simulation  {1e6 * best / steps:10.3f} us per step")
