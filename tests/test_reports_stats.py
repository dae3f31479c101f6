"""The statistics against rliable, closed forms and simulated data."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student

from reports import stats


@pytest.fixture
def scores():
    """Ten seeds on six tasks, with ties."""
    return np.round(np.random.default_rng(3).beta(2, 1, (10, 6)), 1)


def rliable_interval(scores, estimator, reps=4000):
    """rliable's own path, with the global generator it draws from seeded and put back."""
    from rliable import library

    state = np.random.get_state()
    np.random.seed(0)
    try:
        return library.get_interval_estimates({"x": scores}, estimator, reps=reps)[1]["x"].ravel()
    finally:
        np.random.set_state(state)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 10, 13])
def test_iqm_is_rliables(n):
    from rliable import metrics

    values = np.random.default_rng(n).normal(size=(n, 7))
    expected = [metrics.aggregate_iqm(values[:, [i]]) for i in range(7)]
    np.testing.assert_allclose(stats.iqm(values), expected, atol=1e-6)


@pytest.mark.parametrize("n", [3, 10])
def test_iqm_interval_is_rliables_up_to_sampling_error(n):
    from rliable import metrics

    values = np.random.default_rng(n).normal(size=(n, 1))
    ours = np.array(stats.iqm_interval(values, seed=0, reps=20_000)).ravel()
    theirs = rliable_interval(values, lambda x: np.array([metrics.aggregate_iqm(x)]))
    np.testing.assert_allclose(ours, theirs, atol=0.06 * np.ptp(theirs))


def test_aggregates_are_rliables(scores):
    from rliable import metrics

    ours = stats.aggregates(scores, seed=0, reps=20_000)
    functions = {
        "median": metrics.aggregate_median,
        "IQM": metrics.aggregate_iqm,
        "mean": metrics.aggregate_mean,
        "optimality gap": metrics.aggregate_optimality_gap,
    }
    assert tuple(ours) == tuple(functions)
    for name, function in functions.items():
        assert ours[name].point == pytest.approx(function(scores), abs=1e-6)
        theirs = rliable_interval(scores, lambda x, f=function: np.array([f(x)]), reps=2000)
        np.testing.assert_allclose((ours[name].low, ours[name].high), theirs, atol=0.08 * np.ptp(theirs))


@pytest.mark.parametrize("kept", [7, 10])  # with equal numbers, equal draws would make a paired bootstrap
def test_improvement_is_rliables(scores, kept):
    from rliable import library, metrics

    other = np.round(scores[:kept] - 0.15, 1)
    ours = stats.improvement(scores, other, seed=0)
    assert ours.point == pytest.approx(metrics.probability_of_improvement(scores, other), abs=1e-6)
    assert stats.improvement(scores, scores, seed=0).point == pytest.approx(0.5)
    state = np.random.get_state()
    np.random.seed(0)
    _, theirs = library.get_interval_estimates({"x,y": [scores, other]}, metrics.probability_of_improvement, reps=400)
    np.random.set_state(state)
    limits = theirs["x,y"].ravel()
    np.testing.assert_allclose((ours.low, ours.high), limits, atol=0.15 * np.ptp(limits))


def test_profile_is_rliables(scores):
    from rliable import library

    taus = np.linspace(0, 1, 11)
    share, low, high = stats.profile(scores, taus, seed=0)
    state = np.random.get_state()
    np.random.seed(0)
    theirs, limits = library.create_performance_profile({"x": scores}, taus, reps=500)
    np.random.set_state(state)
    np.testing.assert_allclose(share, theirs["x"], atol=1e-6)
    np.testing.assert_allclose([low, high], limits["x"], atol=0.05)
    assert (low <= share).all()
    assert (share <= high).all()


def test_an_interval_for_many_seeds_covers_the_truth_about_as_often_as_it_says():
    experiments = np.random.default_rng(1).normal(0.5, 0.2, size=(50, 1500))  # 1,500 experiments of 50 seeds
    low, high = stats.iqm_interval(experiments, seed=0)
    covered = np.mean((low <= 0.5) & (high >= 0.5))
    assert 0.92 < covered < 0.97


def test_t_intervals_cover_even_with_three_seeds_where_the_bootstrap_does_not():
    experiments = np.random.default_rng(2).normal(0.5, 0.2, size=(3, 1000))
    limits = [stats.t_interval(column) for column in experiments.T]
    covered = np.mean([x.low <= 0.5 <= x.high for x in limits])
    low, high = stats.iqm_interval(experiments, seed=0)
    assert 0.93 < covered < 0.97
    assert np.mean((low <= 0.5) & (high >= 0.5)) < 0.85
    assert (low >= experiments.min(axis=0) - 1e-12).all()


def test_t_interval_by_hand():
    got = stats.t_interval(np.array([1.0, 2.0, 3.0]))
    half = student.ppf(0.975, 2) / np.sqrt(3)
    assert (got.point, got.low, got.high) == pytest.approx((2, 2 - half, 2 + half))


def test_one_seed_has_no_interval():
    one = np.ones((1, 3))
    assert np.isnan(stats.iqm_interval(one, 0)).all()
    assert np.isnan(stats.t_interval(one[:, 0]).low)
    assert np.isnan(stats.aggregates(one, 0)["IQM"].low)
    assert np.isnan(stats.improvement(one, one, 0).low)
    assert np.isnan(stats.profile(one, np.array([0.5]), 0)[1]).all()


def test_same_seed_same_interval_whatever_the_global_generator_does(scores):
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    first = stats.aggregates(scores, 5), stats.improvement(scores, scores[::-1] + 0.1, 5)
    np.testing.assert_array_equal(before, np.random.get_state()[1])
    np.random.seed(2)
    stats._counts.cache_clear()
    stats._rank_weights.cache_clear()
    assert first == (stats.aggregates(scores, 5), stats.improvement(scores, scores[::-1] + 0.1, 5))
    assert first[0] != stats.aggregates(scores, 6)


def test_seeds_needed_by_hand():
    assert stats.seeds_needed(0.2, 0.1) == 63  # 2 * (2.8016 * 2)^2 = 62.8
