"""The statistics against rliable, closed forms and simulated data."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, norm, trim_mean, ttest_ind, ttest_rel
from scipy.stats import t as student

from reports.numbers import intervals, stats
from reports.numbers.differences import Sides, difference, holm
from reports.numbers.shares import improvement, profile


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


@pytest.mark.slow
@pytest.mark.parametrize("n", [3, 10])
def test_iqm_interval_is_rliables_up_to_sampling_error(n):
    from rliable import metrics

    values = np.random.default_rng(n).normal(size=(n, 1))
    ours = np.array(stats.iqm_interval(values, seed=0, reps=20_000, plain=True)).ravel()
    theirs = rliable_interval(values, lambda x: np.array([metrics.aggregate_iqm(x)]))
    np.testing.assert_allclose(ours, theirs, atol=0.06 * np.ptp(theirs))


def test_aggregates_are_rliables(scores):
    from rliable import metrics

    ours = stats.aggregates(scores, seed=0, reps=20_000, plain=True)
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


@pytest.mark.slow
@pytest.mark.parametrize("kept", [7, 10])  # with equal numbers, equal draws would make a paired bootstrap
def test_improvement_is_rliables(scores, kept):
    from rliable import library, metrics

    other = np.round(scores[:kept] - 0.15, 1)
    ours = improvement(scores, other, seed=0, plain=True)
    assert ours.point == pytest.approx(metrics.probability_of_improvement(scores, other), abs=1e-6)
    assert improvement(scores, scores, seed=0).point == pytest.approx(0.5)
    state = np.random.get_state()
    np.random.seed(0)
    _, theirs = library.get_interval_estimates({"x,y": [scores, other]}, metrics.probability_of_improvement, reps=400)
    np.random.set_state(state)
    limits = theirs["x,y"].ravel()
    np.testing.assert_allclose((ours.low, ours.high), limits, atol=0.15 * np.ptp(limits))


def test_profile_is_rliables(scores):
    from rliable import library

    taus = np.linspace(0, 1, 11)
    share, low, high = profile(scores, taus, seed=0, plain=True)
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


@pytest.mark.parametrize("n", [3, 5, 6, 10])
def test_intervals_cover_with_few_seeds_where_the_plain_bootstrap_does_not(n):
    experiments = np.random.default_rng(2).normal(0.5, 0.2, size=(n, 3000))
    covered = {}
    for plain in (True, False):
        low, high = stats.iqm_interval(experiments, seed=0, plain=plain)
        covered[plain] = np.mean((low <= 0.5) & (high >= 0.5))
    assert covered[False] > 0.93
    assert covered[True] < covered[False] - 0.015


def test_over_tasks_the_plain_bootstrap_is_too_narrow_and_ours_is_not():
    experiments = np.random.default_rng(3).normal(0.5, 0.2, size=(300, 3, 12))
    for plain, lowest, highest in ((True, 0.8, 0.91), (False, 0.92, 0.98)):
        limits = [stats.aggregates(x, 0, 500, plain)["mean"] for x in experiments]
        covered = np.mean([x.low <= 0.5 <= x.high for x in limits])
        assert lowest < covered < highest


@pytest.mark.parametrize(("n", "tasks", "level"), [(10, 1, 0.008537), (5, 12, 0.01229), (1000, 100, 0.0249)])
def test_expanded_levels_are_hesterbergs(n, tasks, level):
    assert intervals._tail(n, tasks) == pytest.approx(level, rel=0.01)
    df = tasks * (n - 1)
    assert norm.ppf(intervals._tail(n, tasks)) * np.sqrt((n - 1) / n) == pytest.approx(student.ppf(0.025, df))


@pytest.mark.parametrize(("n", "tasks", "few"), [(4, 2, True), (5, 1, True), (5, 2, False), (6, 1, False)])
def test_few_seeds_get_students_interval(n, tasks, few):
    scores = np.tile(np.r_[np.zeros(n - 1), 1.0][:, None], (1, tasks))
    got = stats.aggregates(scores, 0)["mean"]
    assert (got.low < 0) == few  # percentiles never leave the range of the scores


def test_three_seeds_give_students_interval_of_the_mean_which_their_iqm_is():
    scores = np.array([0.2, 0.9, 0.4])
    half = student.ppf(0.975, 2) * scores.std(ddof=1) / np.sqrt(3)
    for centre in ("mean", "IQM"):
        got = stats.interval(scores, centre, seed=0)
        assert (got.point, got.low, got.high) == pytest.approx((0.5, 0.5 - half, 0.5 + half))


def test_median_of_three_by_hand():
    """A resample of 0, 0, 3 has the median 3 if two of its three draws are the 3: 7 of 27 times."""
    got = stats.interval(np.array([0.0, 0.0, 3.0]), "median", seed=0)
    half = student.ppf(0.975, 2) * np.sqrt(1.5) * 3 * np.sqrt(7 / 27 * 20 / 27)
    assert (got.point, got.low, got.high) == pytest.approx((0, -half, half))
    plain = stats.interval(np.array([0.0, 0.0, 3.0]), "median", seed=0, plain=True)
    assert (plain.low, plain.high) == (0, 3)


@pytest.mark.parametrize("n", [3, 10])
def test_the_iqm_of_a_resample_is_the_one_of_its_scores(n):
    scores = np.round(np.random.default_rng(n).random((n, 4)), 1)  # with ties
    drawn = intervals.counts(n, 4, 50, 7)  # [M, reps, n]
    fast = stats._resampled_iqm(scores, 7, 50)
    for r in range(50):
        runs = np.concatenate([np.repeat(scores[:, m], drawn[m, r].astype(int)) for m in range(4)])
        assert fast[r] == pytest.approx(trim_mean(runs, 0.25))
    alone, beside = stats.iqm_over_tasks(scores, 7, 50), stats.aggregates(scores, 7, 50)["IQM"]
    assert (alone.point, alone.low, alone.high) == pytest.approx((beside.point, beside.low, beside.high))


def test_a_profile_on_one_task_has_wilsons_interval():
    scores = np.array([[0.1], [0.6], [0.7], [0.8]])
    share, low, high = profile(scores, np.array([0.5, 0.95]), seed=0)
    for i, count in enumerate((3, 0)):
        expected = binomtest(count, 4).proportion_ci(method="wilson")
        assert (share[i], low[i], high[i]) == pytest.approx((count / 4, expected.low, expected.high), abs=1e-9)


def test_tasks_that_all_runs_pass_make_a_profile_more_certain():
    mixed = np.random.default_rng(0).random((10, 1))
    one = profile(np.hstack([mixed, mixed]), np.array([0.5]), 0)
    settled = profile(np.hstack([mixed, np.ones((10, 1))]), np.array([0.5]), 0)
    assert settled[2] - settled[1] < 0.8 * (one[2] - one[1])


def test_the_interval_of_an_improvement_solves_newcombes_equation():
    x, y = np.array([[3.0], [4.0], [6.0], [7.0]]), np.array([[2.0], [0.0], [4.5], [5.0], [0.5]])
    got = improvement(x, y, seed=0)
    assert got.point == pytest.approx((3 + 3 + 5 + 5) / 20)
    for limit in (got.low, got.high):  # |point - limit| = z sqrt(V(limit)), here with N* = 4.5
        v = limit * (1 - limit) * (1 + 3.5 * ((1 - limit) / (2 - limit) + limit / (1 + limit))) / 20
        assert abs(got.point - limit) == pytest.approx(norm.ppf(0.975) * np.sqrt(v), abs=1e-3)


def test_a_clean_sweep_of_few_runs_does_not_make_an_improvement_certain():
    x = np.ones((3, 1))
    got, plain = improvement(x, x - 1, 0), improvement(x, x - 1, 0, plain=True)
    assert (plain.low, plain.high) == (1, 1)
    assert 0.3 < got.low < 0.7
    assert (got.point, got.high) == (1, 1)


def test_an_improvement_of_all_or_nothing_runs_is_less_certain():
    rng = np.random.default_rng(0)
    split, even = np.array([[0.0], [1.0]] * 5), rng.normal(0.5, 0.3, (10, 1))
    steady = 0.5 + 0.01 * rng.standard_normal((10, 1))
    wide, usual = improvement(split, steady, 0), improvement(even, rng.normal(0.5, 0.3, (10, 1)), 0)
    assert wide.high - wide.low > 1.1 * (usual.high - usual.low)


def test_t_interval_by_hand():
    got = stats.t_interval(np.array([1.0, 2.0, 3.0]))
    half = student.ppf(0.975, 2) / np.sqrt(3)
    assert (got.point, got.low, got.high) == pytest.approx((2, 2 - half, 2 + half))


def test_one_seed_has_no_interval():
    one = np.ones((1, 3))
    assert np.isnan(stats.iqm_interval(one, 0)).all()
    assert np.isnan(stats.t_interval(one[:, 0]).low)
    assert np.isnan(stats.aggregates(one, 0)["IQM"].low)
    assert np.isnan(improvement(one, one, 0).low)
    assert np.isnan(profile(one, np.array([0.5]), 0)[1]).all()


def test_same_seed_same_interval_whatever_the_global_generator_does(scores):
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    first = stats.aggregates(scores, 5), improvement(scores, scores[::-1] + 0.1, 5)
    np.testing.assert_array_equal(before, np.random.get_state()[1])
    np.random.seed(2)
    intervals.counts.cache_clear()
    stats._counts_by_run.cache_clear()
    stats._rank_weights.cache_clear()
    assert first == (stats.aggregates(scores, 5), improvement(scores, scores[::-1] + 0.1, 5))
    assert first[0] != stats.aggregates(scores, 6)


def test_seeds_needed_by_hand():
    assert stats.seeds_needed(0.2, 0.1) == 63  # 2 * (2.8016 * 2)^2 = 62.8


def test_a_paired_difference_is_the_paired_t_test():
    x, y = np.array([0.9, 0.7, 0.8, 0.95]), np.array([0.5, 0.6, 0.3, 0.55])
    got, theirs = difference([Sides(x, y, True)]), ttest_rel(x, y)
    limits = theirs.confidence_interval()
    assert got.p == pytest.approx(theirs.pvalue)
    assert (got.interval.low, got.interval.high) == pytest.approx((limits.low, limits.high))
    assert got.interval.point == pytest.approx(0.35)


def test_an_unpaired_difference_is_welchs():
    x, y = np.array([0.9, 0.7, 0.8]), np.array([0.5, 0.6, 0.3, 0.55, 0.1])
    got, theirs = difference([Sides(x, y, False)]), ttest_ind(x, y, equal_var=False)
    limits = theirs.confidence_interval()
    assert got.p == pytest.approx(theirs.pvalue)
    assert (got.interval.low, got.interval.high) == pytest.approx((limits.low, limits.high))


def test_a_difference_over_tasks_by_hand():
    """Differences 0, 2 (mean 1, variance of the mean 1) and 4, 4, 7 (mean 5, variance of the mean 1)."""
    zero2, zero3 = np.zeros(2), np.zeros(3)
    got = difference([Sides(np.array([0.0, 2]), zero2, True), Sides(np.array([4.0, 4, 7]), zero3, True)])
    variance, df = (1 + 1) / 4, (1 + 1) ** 2 / (1 / 1 + 1 / 2)
    half = student.ppf(0.975, df) * np.sqrt(variance)
    assert (got.interval.point, got.interval.low, got.interval.high) == pytest.approx((3, 3 - half, 3 + half))
    assert got.p == pytest.approx(2 * student.sf(3 / np.sqrt(variance), df))


def test_without_spread_a_difference_is_only_as_sure_as_the_number_of_pairs():
    ones = np.ones(4)
    assert difference([Sides(ones, ones, True)]).p == 1
    assert difference([Sides(ones, 0 * ones, True)]).p == pytest.approx(1 / 8)
    single = difference([Sides(ones[:1], 0 * ones[:1], True)])
    assert single.interval.point == 1
    assert np.isnan([single.interval.low, single.p]).all()


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert np.isnan(holm([np.nan, 0.02])[0])
    assert holm([np.nan, 0.02])[1] == 0.02
