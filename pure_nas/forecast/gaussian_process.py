"""Regression by a Gaussian process, each observation with noise of its own besides one that all share."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, solve_triangular
from scipy.optimize import minimize
from threadpoolctl import ThreadpoolController

Floats = NDArray[np.float64]
_P = ParamSpec("_P")
_T = TypeVar("_T")

_MOST_FITTED = 128
_STEPS = 25
# Log-normal priors of the hyperparameters, for standardised features and logarithms of errors.
_SCALE, _SIGNAL, _LINEAR, _NOISE = (np.log(3.0), 1.0), (np.log(0.3), 1.0), (np.log(0.1), 1.5), (np.log(0.01), 1.0)


@dataclass(frozen=True)
class Hyperparameters:
    """Of a Matern 5/2 kernel plus a linear one, over features divided by `scales`; variances."""

    scales: Floats
    signal: float
    linear: float
    noise: float
    loss: float = math.inf  # of a fit: the lower, the more probable are the observations with these

    @classmethod
    def usual(cls, features: int) -> Hyperparameters:
        """The middle of the prior."""
        return cls._of(_prior(features)[0])

    @classmethod
    def _of(cls, logs: Floats) -> Hyperparameters:
        return cls(np.exp(logs[:-3]), *map(float, np.exp(logs[-3:])))

    @classmethod
    def fitted(cls, x: Floats, y: Floats, variances: Floats) -> Hyperparameters:
        """The most probable ones, given observations `y` (n,) with `variances` (n,) at `x` (n, features).

        Of more than 128 observations every k-th is used.
        """
        chosen = np.unique(np.linspace(0, len(y) - 1, min(len(y), _MOST_FITTED)).astype(int))
        x, y, variances = x[chosen], y[chosen], variances[chosen]
        y, squares = y - y.mean(), (x[:, None, :] - x[None, :, :]) ** 2
        start, spread = _prior(x.shape[1])

        def loss(logs: Floats) -> tuple[float, Floats]:
            inverse = np.exp(-2 * logs[:-3])
            signal, linear, noise = np.exp(logs[-3:])
            distance = np.sqrt(5 * (squares @ inverse) + 1e-12)
            decay = np.exp(-distance)
            matern = signal * (1 + distance + distance**2 / 3) * decay
            scaled = x * np.sqrt(inverse)
            dot = linear * scaled @ scaled.T
            try:
                root = np.linalg.cholesky(matern + dot + np.diag(variances + noise))
            except np.linalg.LinAlgError:
                return 1e9, np.zeros_like(logs)
            weights = cho_solve((root, True), y)
            value = 0.5 * y @ weights + np.log(np.diag(root)).sum()
            slope = 0.5 * (cho_solve((root, True), np.eye(len(y))) - np.outer(weights, weights))
            gradient = np.empty_like(logs)
            by_distance = slope * (signal * 5 / 6 * (1 + distance) * decay)
            gradient[:-3] = 2 * inverse * np.einsum("ij,ijk->k", by_distance, squares)
            gradient[:-3] -= 2 * linear * (scaled * (slope @ scaled)).sum(0)
            gradient[-3:] = (slope * matern).sum(), (slope * dot).sum(), np.trace(slope) * noise
            off = (logs - start) / spread
            return float(value + 0.5 * off @ off), gradient + off / spread

        found: Any = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS})
        return replace(cls._of(found.x), loss=float(found.fun))


def _prior(features: int) -> tuple[Floats, Floats]:
    """Means and standard deviations of the logarithms."""
    pairs = [*[_SCALE] * features, _SIGNAL, _LINEAR, _NOISE]
    return np.array([mean for mean, _ in pairs]), np.array([std for _, std in pairs])


class GaussianProcess:
    """What observations `y` (n,) with `variances` (n,) at `x` (n, features) say about other places."""

    def __init__(self, hyperparameters: Hyperparameters, x: Floats, y: Floats, variances: Floats) -> None:
        self._of, self._x = hyperparameters, x
        self._mean = float(np.average(y, weights=1 / (variances + hyperparameters.noise + hyperparameters.signal)))
        covariance = self._kernel(x, x) + np.diag(variances + hyperparameters.noise)
        self._root = np.linalg.cholesky(covariance)
        self._weights = cho_solve((self._root, True), y - self._mean)

    def predict(self, x: Floats) -> tuple[Floats, Floats]:
        """Means and variances (m,) at `x` (m, features), without the noise of an observation."""
        cross = self._kernel(x, self._x)
        explained = solve_triangular(self._root, cross.T, lower=True)
        prior = self._of.signal + self._of.linear * ((x / self._of.scales) ** 2).sum(1)
        return self._mean + cross @ self._weights, np.maximum(prior - (explained**2).sum(0), 1e-9)

    def _kernel(self, a: Floats, b: Floats) -> Floats:
        a, b = a / self._of.scales, b / self._of.scales
        dot = a @ b.T
        squares = np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1)[None, :] - 2 * dot, 0.0)
        distance = np.sqrt(5 * squares)
        matern = self._of.signal * (1 + distance + distance**2 / 3) * np.exp(-distance)
        return np.asarray(matern + self._of.linear * dot)


def on_one_thread(call: Callable[_P, _T]) -> Callable[_P, _T]:
    """With one thread of the libraries that compute: small matrices gain nothing by more, which would wait for the
    cores of workers."""

    @wraps(call)
    def limited(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        with _libraries().limit(limits=1, user_api="blas"):
            return call(*args, **kwargs)

    return limited


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()
