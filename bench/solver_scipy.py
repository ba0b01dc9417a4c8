#!/usr/bin/python3
"""SciPy (LSODA, BDF with analytic Jacobian) on the equation that solver_bench solved.

Usage: solver_scipy.py [n] [method ...]
Reads solver_bench_N.csv (A, b, q0) and solver_bench_N_reference.csv (t, P), which `solver_bench N` writes in the
current directory, and prints time, steps and the largest relative error of P(t) at the output times.
"""
import sys
import time

import numpy as np
from scipy.integrate import solve_ivp

n = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
methods = sys.argv[2:] or ["LSODA", "BDF"]
rtol = 1e-8
A, b, q0 = np.loadtxt(f"solver_bench_{n}.csv", delimiter=",", skiprows=1, unpack=True)
times, reference = np.loadtxt(f"solver_bench_{n}_reference.csv", delimiter=",", skiprows=1, unpack=True)


def rhs(t, q):
    return b * q.sum() - A * q


jacobian = np.tile(b[:, None], (1, n))
jacobian[np.diag_indices(n)] -= A

print(f"n = {n}, t = {times[-1]:g}, rtol = {rtol:g}, {len(times) - 1} outputs")
print(f"{'solver':<28} {'time [ms]':>12} {'rhs':>9} {'max error':>12}")
for method in methods:
    start = time.perf_counter()
    # BDF takes the constant matrix, LSODA a function.
    jac = jacobian if method == "BDF" else (lambda t, q: jacobian)
    solution = solve_ivp(rhs, (0.0, times[-1]), q0, method=method, t_eval=times, rtol=rtol, atol=1e-22, jac=jac)
    seconds = time.perf_counter() - start
    if not solution.success:
        print(f"{'SciPy ' + method:<28} {1e3 * seconds:12.1f} failed: {solution.message}")
        continue
    error = np.max(np.abs(solution.y.sum(axis=0) / reference - 1))
    print(f"{'SciPy ' + method:<28} {1e3 * seconds:12.1f} {solution.nfev:9d} {error:12.2e}", flush=True)
