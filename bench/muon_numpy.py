#!/usr/bin/python3
"""Polar factors of null gradients as one computes them in NumPy, for the cases of muon_bench, with one thread of BLAS."""
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import time

import numpy as np


def gradient(n, batch, alpha, rng):
    a = rng.standard_normal((n, batch)) * rng.standard_normal(batch)
    c = rng.standard_normal((n, batch)) * (np.arange(1, n + 1) ** -alpha)[:, None]
    return a @ c.T


def polar(g):
    u, s, vt = np.linalg.svd(g, full_matrices=False)
    rank = int((s > 1e-10 * s[0]).sum())
    return u[:, :rank] @ vt[:rank]


def main():
    rng = np.random.default_rng(1)
    for n, batch, alpha in [(64, 64, 0), (128, 128, 0.4), (128, 512, 0.75), (128, 32, 0.4), (256, 256, 0.4)]:
        g = gradient(n, batch, alpha, rng)
        best = 1e300
        for _ in range(7):
            start = time.perf_counter()
            polar(g)
            best = min(best, time.perf_counter() - start)
        print(f"NumPy polar n {n:4d} B {batch:4d} alpha {alpha:.1f}: {1e3 * best:8.3f} ms")


if __name__ == "__main__":
    main()
