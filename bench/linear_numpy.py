"""The recursion of linear methods in plain NumPy: what a notebook would run. Peer of linear_bench.

    python3 bench/linear_numpy.py

Prints, per method and number of modes, the time of one optimizer step and P after 24 rounds (the same numbers as
linear_bench prints).
"""

import time

import numpy as np


def blocks(eta, q0, q1, bi, xi, p0, p1, bo, persistent, lam):
    """T of a noisy phase and J of the sync, for the mean (V, m, v, u) and the deviation (v, u) of the workers."""
    n = lam.size
    step = np.zeros((n, 2, 2))
    step[:, 0, 0] = 1 - eta * (q0 + q1) * lam
    step[:, 0, 1] = -eta * q1 * bi
    step[:, 1, 0] = lam
    step[:, 1, 1] = bi
    mean = np.zeros((n, 4, 4))
    mean[:, 0, 0] = mean[:, 1, 1] = 1
    mean[:, 2:, 2:] = step
    p = p0 + p1
    sync = np.zeros((4, 4))
    sync[0] = sync[2] = [1 - xi * p, xi * p1 * bo, xi * p, 0]
    sync[1] = [-1, bo, 1, 0]
    sync[3, 3] = persistent
    return mean, step, sync, np.diag([0.0, float(persistent)])


def run(lam, start, rounds, H, M, B, sigma2, eta, xi, q=(1, 0), bi=0.0, p=(1, 0), bo=0.0, persistent=False):
    """P after `rounds` rounds."""
    T, D, J, K = blocks(eta, *q, bi, xi, *p, bo, persistent, lam)
    Tt, Dt = T.transpose(0, 2, 1), D.transpose(0, 2, 1)
    n_mean = np.array([0, 0, -eta * sum(q), 1.0])
    n_dev = n_mean[2:]
    nn_mean, nn_dev = np.outer(n_mean, n_mean) / M, np.outer(n_dev, n_dev) * (1 - 1 / M)
    S = np.zeros((lam.size, 4, 4))
    for i in (0, 2):
        for j in (0, 2):
            S[:, i, j] = start
    E = np.zeros((lam.size, 2, 2))
    for _ in range(rounds):
        for _ in range(H):
            source = S[:, 2, 2] + E[:, 0, 0]
            C = lam / B * (lam * source + lam @ source + sigma2)
            S = T @ S @ Tt + C[:, None, None] * nn_mean
            E = D @ E @ Dt + C[:, None, None] * nn_dev
        S = J @ S @ J.T
        E = K @ E @ K.T
    return lam @ S[:, 0, 0]


def run_lookahead(lam, start, rounds, H, M, B, sigma2, eta, xi):
    """The scalar form of lookahead with M workers (docs/theory/two-phase.md, section 3)."""
    r = 1 - eta * lam
    q = r**2 + (eta * lam) ** 2 / B
    F = xi * (1 - r**H)
    b = start.copy()
    for _ in range(rounds):
        a = b
        for _ in range(H):
            a = q * a + eta**2 * lam / B * (lam @ a + sigma2)
        b = (1 - F) ** 2 * b + xi**2 / M * (a - r ** (2 * H) * b)
    return lam @ b


def main():
    for n in (200, 2000):
        j = np.arange(1, n + 1.0)
        lam, start = j**-1.4, j**-0.8
        rounds = 24
        b = 0.6, 0.8
        cases = {
            "stack_p": lambda: run(lam, start, rounds, 8, 2, 2, 0.05, 0.03, 0.3, (1, b[1]), b[1], (1, b[0]), b[0], True),
            "diloco (block form)": lambda: run(lam, start, rounds, 8, 4, 1, 0.05, 0.15, 0.9),
            "diloco (scalar form)": lambda: run_lookahead(lam, start, rounds, 8, 4, 1, 0.05, 0.15, 0.9),
        }
        for name, case in cases.items():
            case()
            best = min(_time(case) for _ in range(5))
            print(f"numpy {name:22s} n={n:5d}  {best / (rounds * 8) * 1e6:9.3f} us/step  P={case():.12f}")


def _time(case):
    begin = time.perf_counter()
    case()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
