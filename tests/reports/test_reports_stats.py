"""The statistics against rliable, closed forms and simulated data."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, norm, trim_mean, ttest_ind, ttest_rel
from scipy.stats import t as student

from reports.numbers import aggregates as over
from reports.numbers import intervals, stats
from reports.numbers.bounds import UNBOUNDED, Bounds
from reports.numbers.differences import Sides, difference, holm
from reports.numbers.shares import improvement, profile


@pytest.fixture
def scores():
    """Ten seeds on six tasks, with ties."""
    return np.round(np.random.default_rng(3).beta(2, 1, (10, 6)), 1)


def runs(scores):
    """Scores [n, M] as one array per task."""
    return list(scores.T)


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

    ours = over.aggregates(runs(scores), seed=0)
    functions = {
        "median": metrics.aggregate_median,
        "IQM": metrics.aggregate_iqm,
        "mean": metrics.aggregate_mean,
        "optimality gap": metrics.aggregate_optimality_gap,
    }
    assert tuple(ours) == tuple(functions)
    for name, function in functions.items():
        assert ours[name].point == pytest.approx(function(scores), abs=1e-6)
        assert ours[name].low < ours[name].point < ours[name].high


def test_with_unequal_seeds_tasks_still_count_equally():
    """Each run repeated until all tasks are equally long, by hand: 2 and 3 seeds are 6 and 6."""
    from rliable import metrics

    few, many = np.array([0.1, 0.5]), np.array([0.2, 0.9, 0.4])
    got = over.aggregates([few, many], 0)
    assert got["mean"].point == pytest.approx((0.3 + 0.5) / 2)
    even = np.array([[0.1, 0.1, 0.1, 0.5, 0.5, 0.5], [0.2, 0.2, 0.9, 0.9, 0.4, 0.4]]).T
    assert got["IQM"].point == pytest.approx(metrics.aggregate_iqm(even))
    assert improvement([few, many], [many, few]).point == pytest.approx(0.5)
    share, *_ = profile([few, many], np.array([0.45]))
    assert share[0] == pytest.approx((1 / 2 + 1 / 3) / 2)


def test_a_mean_over_tasks_has_the_degrees_of_freedom_of_welch_and_satterthwaite():
    """Scores 0, 2 (variance of the mean 1) and 4, 4, 7 (variance of the mean 1), as for differences."""
    got = over.aggregates([np.array([0.0, 2.0]), np.array([4.0, 4.0, 7.0])], 0)["mean"]
    half = student.ppf(0.975, (1 + 1) ** 2 / (1 / 1 + 1 / 2)) * np.sqrt((1 + 1) / 4)
    assert (got.point, got.low, got.high) == pytest.approx((3, 3 - half, 3 + half))


def test_the_iqm_over_tasks_by_hand():
    """Of 0 1 2 3 | 4 5 6 7 the middle is 2 3 4 5; winsorised, a task keeps 2 2 2 3 or 4 5 5 5, variance 1 / 4 each."""
    got = over.iqm_over_tasks([np.arange(4.0), np.arange(4.0, 8.0)], 0)
    assert got.point == pytest.approx(3.5)
    within = 0.25 / 4 / (2 * 0.5) ** 2
    t, moved = student.ppf(0.975, 3), student.ppf(0.975, 3) * np.sqrt(5 / 3 / 4)
    up = trim_mean(np.r_[np.arange(4.0) + moved, np.arange(4.0, 8.0)], 0.25) - 3.5
    part = max(within, (up / t) ** 2)
    other = max(within, ((trim_mean(np.r_[np.arange(4.0), np.arange(4.0, 8.0) + moved], 0.25) - 3.5) / t) ** 2)
    df = (part + other) ** 2 / ((part**2 + other**2) / 3)
    assert got.high == pytest.approx(3.5 + student.ppf(0.975, df) * np.sqrt(part + other))


@pytest.mark.parametrize("kept", [7, 10])
def test_improvement_is_rliables(scores, kept):
    from rliable import metrics

    other = np.round(scores[:kept] - 0.15, 1)
    ours = improvement(runs(scores), runs(other))
    assert ours.point == pytest.approx(metrics.probability_of_improvement(scores, other), abs=1e-6)
    assert improvement(runs(scores), runs(scores)).point == pytest.approx(0.5)


def test_profile_is_rliables(scores):
    from rliable import library

    taus = np.linspace(0, 1, 11)
    share, low, high = profile(runs(scores), taus)
    state = np.random.get_state()
    np.random.seed(0)
    theirs, _ = library.create_performance_profile({"x": scores}, taus, reps=2)
    np.random.set_state(state)
    np.testing.assert_allclose(share, theirs["x"], atol=1e-6)
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


NOISY = np.where(np.arange(10) == 4, 0.5, 0.05)  # one task of ten


@pytest.mark.parametrize("spread", [np.full(10, 0.2), NOISY], ids=["alike", "one noisy task"])
@pytest.mark.parametrize("name", ["mean", "IQM", "median"])
def test_intervals_over_tasks_cover_also_where_one_task_is_noisy(spread, name):
    levels = np.linspace(0.2, 0.9, 10)
    rng = np.random.default_rng(3)
    many = levels + spread * rng.standard_normal((20_000, 10))
    truth = {"mean": levels.mean(), "median": np.median(levels), "IQM": trim_mean(many, 0.25, axis=None)}[name]
    found = [over.aggregates(runs(levels + spread * rng.standard_normal((3, 10))), 0)[name] for _ in range(600)]
    covered = np.mean([one.low <= truth <= one.high for one in found])
    assert covered > 0.9  # as if all tasks were equally noisy, degrees of freedom give 0.84, 0.81 and 0.69


@pytest.mark.parametrize(("n", "level"), [(10, 0.008537), (5, 0.000951), (1000, 0.0248)])
def test_expanded_levels_are_hesterbergs(n, level):
    tail = intervals.tail_of(n - 1, np.sqrt(n / (n - 1)))
    assert tail == pytest.approx(level, rel=0.01)
    assert norm.ppf(tail) * np.sqrt((n - 1) / n) == pytest.approx(student.ppf(0.025, n - 1))


@pytest.mark.parametrize(("n", "few"), [(4, True), (5, True), (6, False)])
def test_few_seeds_get_students_interval(n, few):
    got = stats.interval(np.r_[np.zeros(n - 1), 1.0], "IQM", 0)
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


def test_on_one_task_aggregates_are_those_of_the_task():
    scores, bounds = np.array([0.2, 0.9, 0.4, 0.65, 0.7, 0.1]), Bounds(0, 1, 20)
    got = over.aggregates([scores], 7, [bounds])
    assert got["IQM"] == stats.interval(scores, "IQM", 7, bounds)
    assert got["mean"] == got["median"] == stats.t_interval(scores, bounds)


def test_a_share_of_few_episodes_is_no_surer_than_its_episodes():
    """Two seeds of 3/20 are 6 of 40."""
    wilson = binomtest(6, 40).proportion_ci(method="wilson")
    for centre in stats.CENTRES:
        got = stats.interval(np.array([0.15, 0.15]), centre, 0, Bounds(0, 1, 20))
        assert got.low <= wilson.low + 0.003  # what the floor rests on is not 0.15 but (6 + 1) / (40 + 2)
        assert got.high >= wilson.high - 0.003
        assert got.high - got.low < 1.1 * (wilson.high - wilson.low)
    over_two = over.aggregates([np.array([0.15, 0.15])] * 2, 0, [Bounds(0, 1, 20)] * 2)
    assert all(0.1 < one.high - one.low < 0.22 for one in over_two.values())


def test_an_interval_with_two_bounds_is_wilsons_of_as_many_throws_as_students_is_worth():
    scores = np.array([0.7, 0.9, 0.95])
    half = student.ppf(0.975, 2) * scores.std(ddof=1) / np.sqrt(3)
    throws = norm.ppf(0.975) ** 2 * 0.85 * 0.15 / half**2
    expected = binomtest(85, 100).proportion_ci(method="wilson")  # the form; the number of throws is scaled below
    assert 0 < expected.low < 0.85 < expected.high < 1
    got = stats.t_interval(scores, Bounds(0, 1))
    z = norm.ppf(0.975)
    centre = (0.85 + z**2 / throws / 2) / (1 + z**2 / throws)
    reach = z * np.sqrt(0.85 * 0.15 / throws + z**2 / (4 * throws**2)) / (1 + z**2 / throws)
    assert (got.low, got.high) == pytest.approx((centre - reach, centre + reach))
    scaled = stats.t_interval(100 * scores, Bounds(0, 100))
    assert (scaled.low, scaled.high) == pytest.approx((100 * got.low, 100 * got.high))


@pytest.mark.parametrize("n", [2, 3, 4, 6, 10])
def test_no_interval_leaves_its_scale(n):
    rng = np.random.default_rng(n)
    for _ in range(50):
        scores = rng.choice([0.0, 0.05, 0.95, 1.0], n)
        for centre in stats.CENTRES:
            got = stats.interval(scores, centre, 0, Bounds(0, 1, 20))
            assert 0 <= got.low <= got.point <= got.high <= 1
        low, high = stats.iqm_interval(scores[:, None], 0, Bounds(0, 1))
        assert 0 <= low[0] <= high[0] <= 1
        fell = stats.score(-scores, 0, Bounds(-1, 0))
        assert max(fell.mean.high, fell.iqm.high, fell.median.high) <= 0
        for one in over.aggregates([scores, scores[::-1] / 2, 1 - scores], 0, [Bounds(0, 1)] * 3).values():
            assert 0 <= one.low <= one.point <= one.high <= 1


@pytest.mark.parametrize("n", [3, 5])
def test_staying_on_the_scale_costs_no_coverage(n):
    rng = np.random.default_rng(n)
    scores = rng.binomial(20, 0.9, size=(n, 3000)) / 20
    free, kept = ([stats.t_interval(x, bounds) for x in scores.T] for bounds in (UNBOUNDED, Bounds(0, 1, 20)))
    covered = [np.mean([one.low <= 0.9 <= one.high for one in found]) for found in (free, kept)]
    assert covered[1] >= covered[0]
    assert covered[1] > 0.95


def test_a_profile_on_one_task_has_wilsons_interval():
    scores = np.array([[0.1], [0.6], [0.7], [0.8]])
    share, low, high = profile(runs(scores), np.array([0.5, 0.95]))
    for i, count in enumerate((3, 0)):
        expected = binomtest(count, 4).proportion_ci(method="wilson")
        assert (share[i], low[i], high[i]) == pytest.approx((count / 4, expected.low, expected.high), abs=1e-9)


def test_tasks_that_all_runs_pass_make_a_profile_more_certain():
    mixed = np.random.default_rng(0).random((10, 1))
    one = profile(runs(np.hstack([mixed, mixed])), np.array([0.5]))
    settled = profile(runs(np.hstack([mixed, np.ones((10, 1))])), np.array([0.5]))
    assert settled[2] - settled[1] < 0.8 * (one[2] - one[1])


def test_the_interval_of_an_improvement_solves_newcombes_equation():
    x, y = np.array([[3.0], [4.0], [6.0], [7.0]]), np.array([[2.0], [0.0], [4.5], [5.0], [0.5]])
    got = improvement(runs(x), runs(y))
    assert got.point == pytest.approx((3 + 3 + 5 + 5) / 20)
    for limit in (got.low, got.high):  # |point - limit| = z sqrt(V(limit)), here with N* = 4.5
        v = limit * (1 - limit) * (1 + 3.5 * ((1 - limit) / (2 - limit) + limit / (1 + limit))) / 20
        assert abs(got.point - limit) == pytest.approx(norm.ppf(0.975) * np.sqrt(v), abs=1e-3)


def test_a_clean_sweep_of_few_runs_does_not_make_an_improvement_certain():
    x = np.ones((3, 1))
    got = improvement(runs(x), runs(x - 1))
    assert 0.3 < got.low < 0.7
    assert (got.point, got.high) == (1, 1)


def test_an_improvement_of_all_or_nothing_runs_is_less_certain():
    rng = np.random.default_rng(0)
    split, even = np.array([[0.0], [1.0]] * 5), rng.normal(0.5, 0.3, (10, 1))
    steady = 0.5 + 0.01 * rng.standard_normal((10, 1))
    wide, usual = improvement(runs(split), runs(steady)), improvement(runs(even), runs(rng.normal(0.5, 0.3, (10, 1))))
    assert wide.high - wide.low > 1.1 * (usual.high - usual.low)


def test_t_interval_by_hand():
    got = stats.t_interval(np.array([1.0, 2.0, 3.0]))
    half = student.ppf(0.975, 2) / np.sqrt(3)
    assert (got.point, got.low, got.high) == pytest.approx((2, 2 - half, 2 + half))


def test_one_seed_has_no_interval():
    one = np.ones((1, 3))
    assert np.isnan(stats.iqm_interval(one, 0)).all()
    assert np.isnan(stats.t_interval(one[:, 0]).low)
    assert all(np.isnan(found.low) for found in over.aggregates(runs(one), 0).values())
    assert np.isnan(improvement(runs(one), runs(one)).low)
    assert np.isnan(profile(runs(one), np.array([0.5]))[1]).all()


def test_same_seed_same_interval_whatever_the_global_generator_does(scores):
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    first = over.aggregates(runs(scores), 5), stats.interval(scores[:, 0], "IQM", 5)
    np.testing.assert_array_equal(before, np.random.get_state()[1])
    np.random.seed(2)
    over._normal_draws.cache_clear()
    stats._rank_weights.cache_clear()
    assert first == (over.aggregates(runs(scores), 5), stats.interval(scores[:, 0], "IQM", 5))
    assert first[0]["median"] != over.aggregates(runs(scores), 6)["median"]


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
