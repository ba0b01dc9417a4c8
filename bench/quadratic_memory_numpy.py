#!/usr/bin/python3
"""The memory recursion of quadratic regression as one writes it in NumPy: one matrix-vector product per sum.

Usage: quadratic_memory_numpy.py [steps ...]
Prints the time of each horizon and the loss at its end, for the problem that quadratic_memory_bench solves.
"""
import sys
import time

import numpy as np


def solve(steps, eta, delta, kappa, b, sz2=1.0, sj2=1.0):
    n = steps + 1
    C, R, L, H, X, S, M = (np.zeros((n + 1, n + 1)) for _ in range(7))
    cc = np.zeros((n + 1, n + 1))
    for t in range(n):
        c1 = sj2 + kappa * C[t, : t + 1]
        L[t, :t] = eta * R[t, :t] * c1[:t]
        cc[t, : t + 1] = cc[: t + 1, t] = sz2 + sj2 * C[t, : t + 1] + 0.5 * kappa * C[t, : t + 1] ** 2
        H[t, :t] = -b * (L[t, :t] @ H[:t, :t])
        H[t, t] = 1
        X[t, : t + 1] = H[t, : t + 1] @ cc[: t + 1, : t + 1]
        X[:t, t] = H[:t, : t + 1] @ cc[: t + 1, t]
        Y = b * X[:t, t] - L[t, :t] @ M[:t, :t]
        S[t, :t] = S[:t, t] = X[t, :t] - L[:t, :t] @ Y
        S[t, t] = X[t, t] - L[t, :t] @ Y
        M[t, :t] = M[:t, t] = b * Y
        M[t, t] = b * S[t, t]
        N = delta * M[t, : t + 1] * c1
        a = -eta * delta * b * H[t, : t + 1] * c1 + eta**2 * delta * M[t, : t + 1] * kappa * R[t, : t + 1]
        R[t + 1, : t + 1] = R[t, : t + 1] + a @ R[: t + 1, : t + 1]
        R[t + 1, t] += 1
        C[t + 1, : t + 1] = C[t, : t + 1] + a @ C[: t + 1, : t + 1] + eta**2 * (R[: t + 1, : t + 1] @ N)
        C[: t + 1, t + 1] = C[t + 1, : t + 1]
        C[t + 1, t + 1] = C[t, t + 1] + a @ C[: t + 1, t + 1] + eta**2 * (R[t + 1, : t + 1] @ N)
    return 0.5 * np.diag(S)[:n], np.diag(C)[:n]


if __name__ == "__main__":
    for steps in [int(a) for a in sys.argv[1:]] or [100, 300, 1000, 2000]:
        best = float("inf")
        for run in range(5 if steps <= 300 else 1):
            start = time.perf_counter()
            loss, q = solve(steps, 0.3, 0.5, 2.0, 0.2)
            best = min(best, time.perf_counter() - start)
        print(f"NumPy,    {steps:5d} steps: {1e3 * best:10.1f} ms, loss at the end {loss[-1]:.12e}", flush=True)
