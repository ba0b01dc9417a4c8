"""The ODEs of nonlinear_bench in SciPy (LSODA and BDF): signSGD under Gaussian, clipped SGD under Cauchy noise."""

import time

import numpy as np
from scipy.integrate import solve_ivp
from scipy.special import erf, gammaln

d, steps = 500, 3000
j = np.arange(1, d + 1.0)
lam, start = j**-0.5, 1 / j


def sign():
    kappa = np.sqrt(lam)
    eta, sigma2 = 0.002, 0.25

    def rhs(_, M):
        a = 2 / np.pi / np.sqrt(kappa @ M + sigma2)
        return -2 * eta * a * kappa * M + eta**2 * kappa

    return rhs, kappa * start, kappa


def clip():
    eta, h = 0.01, 3 / np.sqrt(lam.sum())
    # Cauchy noise as a mixture of Gaussians: V = (s^2/2) e^-y, y log-gamma of shape 1/2.
    y = np.arange(-90, np.log(61.5), 0.1)
    p = 0.1 * np.exp(y / 2 - np.exp(y) - gammaln(0.5))
    p, V = p[p > 1e-19], 0.125 * np.exp(-y[p > 1e-19])

    def rhs(_, M):
        s = np.sqrt(lam @ M + V)
        x = h / s
        mu = erf(x / np.sqrt(2))
        q = s**2 * (mu - np.sqrt(2 / np.pi) * x * np.exp(-x * x / 2)) + h * h * (1 - mu)
        return -2 * eta * (p @ mu) * lam * M + eta**2 * (p @ q) * lam

    return rhs, start, lam


for name, case in (("sign", sign), ("clip", clip)):
    rhs, initial, weight = case()
    for method in ("LSODA", "BDF"):
        begin = time.perf_counter()
        solution = solve_ivp(rhs, (0, steps), initial, method=method, rtol=1e-8, atol=1e-14)
        print(f"{name:5s} SciPy {method:6s} {1e3 * (time.perf_counter() - begin):10.1f} ms   P = {weight @ solution.y[:, -1]:.12f}",
              flush=True)
