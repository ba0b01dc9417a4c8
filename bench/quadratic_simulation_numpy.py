#!/usr/bin/python3
"""Steps of second-order regression as one writes them in NumPy: residual and Jacobian, one product with the tensor.

Prints the time of a step for the sizes of quadratic_simulation_bench, with one thread of BLAS.
"""
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import time

import numpy as np


def instance(d, p, kappa, rng):
    a = rng.standard_normal((d, p, p))
    q = (a + a.transpose(0, 2, 1)) * (np.sqrt(kappa / 2) / p)
    z = rng.standard_normal(d)
    return z * np.sqrt(d / (z @ z)), rng.standard_normal((d, p)) / np.sqrt(p), q


def step(z, j, q, eta):
    g = j.T @ z
    w = q @ g
    return z - eta * (j @ g) + 0.5 * eta**2 * (w @ g), j - eta * w


def main():
    rng = np.random.default_rng(1)
    for d, p in [(20, 40), (40, 80), (60, 120), (100, 200), (200, 400)]:
        z0, j0, q = instance(d, p, 4.0, rng)
        steps = max(1, int(1e7 / (d * p * p)))
        best = 1e300
        for _ in range(15):
            z, j = z0, j0
            start = time.perf_counter()
            for _ in range(steps):
                z, j = step(z, j, q, 0.05)
            best = min(best, time.perf_counter() - start)
        print(f"NumPy D {d:4d} P {p:4d}: {1e6 * best / steps:9.1f} us/step, "
              f"{2 * d * p * p * steps / best * 1e-9:6.2f} GF/s counted as one product with the tensor")


if __name__ == "__main__":
    main()
