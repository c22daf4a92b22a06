"""The process interpolates, trusts exact observations more than vague ones, and finds out which features matter."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Matern

from pure_nas.forecast.gaussian_process import GaussianProcess, Hyperparameters

RNG = np.random.default_rng(0)


def test_equal_to_scikit_learn_with_the_same_kernel_and_noise() -> None:
    x, new = RNG.standard_normal((30, 3)), RNG.standard_normal((7, 3))
    y, variances = np.sin(x[:, 0]) + x[:, 1], RNG.uniform(0.01, 0.5, 30)
    y -= np.average(y, weights=1 / (variances + 0.02 + 0.7))
    of = Hyperparameters(np.array([1.0, 1.0, 1.0]), 0.7, 0.2, 0.02)
    mean, variance = GaussianProcess(of, x, y, variances).predict(new)
    kernel = ConstantKernel(0.7) * Matern(nu=2.5) + ConstantKernel(0.2) * DotProduct(
        sigma_0=0.0, sigma_0_bounds="fixed"
    )
    theirs = GaussianProcessRegressor(kernel, alpha=variances + 0.02, optimizer=None).fit(x, y)
    their_mean, their_std = theirs.predict(new, return_std=True)
    np.testing.assert_allclose(mean, their_mean, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(np.sqrt(variance), their_std, rtol=1e-5)


def test_the_gradient_of_the_fit_is_right_so_that_it_finds_a_better_place_than_the_prior() -> None:
    x = RNG.standard_normal((60, 4))
    y = np.sin(2 * x[:, 0]) + 0.05 * RNG.standard_normal(60)
    fitted = Hyperparameters.fitted(x, y, np.zeros(60))
    assert fitted.scales[0] < 2
    assert fitted.scales[0] < fitted.scales[1:].min() / 2
    new = RNG.standard_normal((200, 4))
    mean, _ = GaussianProcess(fitted, x, y, np.zeros(60)).predict(new)
    usual, _ = GaussianProcess(Hyperparameters.usual(4), x, y, np.zeros(60)).predict(new)
    truth = np.sin(2 * new[:, 0])
    assert np.mean((mean - truth) ** 2) < 0.5 * np.mean((usual - truth) ** 2)


def test_equal_observations_and_a_single_one_are_no_trouble() -> None:
    x, y = np.zeros((5, 2)), np.ones(5)
    fitted = Hyperparameters.fitted(x, y, np.zeros(5))
    mean, variance = GaussianProcess(fitted, x, y, np.zeros(5)).predict(x[:1])
    assert mean[0] == pytest.approx(1.0, abs=1e-3)
    assert variance[0] > 0
    Hyperparameters.fitted(x[:1], y[:1], np.zeros(1))
