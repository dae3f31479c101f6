"""The looks and the figures of a report, read back from what matplotlib was told to draw."""

from __future__ import annotations

import itertools
import math
import re

import numpy as np
import pytest
from cells import cell as cell_of
from matplotlib.figure import Figure

from algos import ALGOS
from reports.numbers.aggregates import AGGREGATES
from reports.numbers.grid import Common
from reports.numbers.intervals import Interval
from reports.numbers.lines import Line, lines_of
from reports.pictures import curves, diagnostics, embed, look, palette, plots
from reports.pictures.matrices import heat_map, improvement_matrix, mean_ranks
from reports.pictures.palette import PALETTE
from reports.pictures.styles import DASHES, Style, styles
from reports.runs.cells import Cell, Source
from reports.runs.curves import Curve
from suite.cli.report_inputs import looks

LOOKS = looks()


def texts(figure: Figure) -> list[str]:
    return [t.get_text() for ax in figure.axes for t in ax.texts]


# Machado, Oliveira and Fernandes (2009), severity 1
SIGHT = {
    "normal": np.eye(3),
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


def lab(color, matrix):
    """CIELAB (D65) of a color as seen by an eye."""
    rgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]
    )
    x, y, z = np.cbrt(to_xyz @ np.clip(np.asarray(matrix) @ linear, 0.001, 1) / [0.95047, 1, 1.08883])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("hues", [PALETTE, palette.DARK])
@pytest.mark.parametrize("sight", SIGHT)
def test_any_two_colours_can_be_told_apart(sight, hues):
    assert list(hues) == list(PALETTE)
    seen = [lab(color, SIGHT[sight]) for color in hues.values()]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 15


def luminance(color):
    """Relative luminance as WCAG 2 defines it."""
    parts = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722)


@pytest.mark.parametrize(("hues", "page"), zip((PALETTE, palette.DARK), palette.PAGES, strict=True))
def test_every_colour_has_the_contrast_with_its_page_that_graphics_need(hues, page):
    for hue, color in hues.items():
        high, low = sorted((luminance(color), luminance(page)), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 3, hue


def test_no_more_than_two_colours_are_blue():
    for hues in (PALETTE, palette.DARK):
        _, a, b = np.array([lab(color, SIGHT["normal"]) for color in hues.values()]).T
        angle, chroma = np.degrees(np.arctan2(b, a)) % 360, np.hypot(a, b)
        assert ((angle > 200) & (angle < 300) & (chroma > 25)).sum() <= 2


def test_methods_share_a_colour_only_when_there_are_more_of_them_than_colours():
    """CQL and Cal-QL are at home in one; so are IQL and MARWIL, ReBRAC and BRAC."""
    for labels in (
        ["AWAC", "CQL", "IQL", "SPOT", "Cal-QL", "ReBRAC"],
        ["cql", "cal-ql", "iql", "marwil", "rebrac", "brac", "rlpd", "sac", "td3", "ddpg", "awac", "mine"],
    ):
        found = styles(labels, LOOKS)
        assert len({style.color for style in found.values()}) == len(labels)
        for label in labels:  # who moves keeps its dashes, and goes back when it is alone
            assert found[label].dashes == styles([label], LOOKS)[label].dashes
    assert styles(["cql", "cal-ql"], LOOKS)["cql"] == styles(["cql"], LOOKS)["cql"]
    assert styles(["cal-ql"], LOOKS)["cal-ql"].color == PALETTE["forest"]


def test_a_method_looks_the_same_in_every_report():
    assert all(entry.look for entry in ALGOS.values())
    every = styles(list(LOOKS), LOOKS)
    for name, words in LOOKS.items():
        assert every[name].color == PALETTE[words.split()[0]]
        assert styles([name, "zzz"], LOOKS)[name] == every[name]
    assert every["awac-z"].color == every["awac"].color
    assert every["awac-z"].dashes != every["awac"].dashes


def test_methods_look_as_they_always_did():
    """Readers know them by it, and figures of different reports are laid side by side."""
    words = {
        "blue": ["awac", "awac-z"],
        "red": ["sac", "sac-scratch", "sac-prior", "rlpd"],
        "green": ["sac-bc", "td3-bc", "fql"],
        "violet": ["bear", "bear-loose", "bcq", "spot"],
        "orange": ["brac", "brac-v", "rebrac"],
        "cyan": ["abm", "mpo", "mpo-acme"],
        "grey": ["bc", "bc-demos"],
        "maroon": ["awr", "rwr"],
        "olive": ["marwil", "marwil-rllib", "iql", "xql"],
        "brown": ["dapg", "trpo", "ppo"],
        "forest": ["cql", "cal-ql", "wsrl"],
        "plum": ["algae-dice", "td3", "ddpg"],
    }
    every = styles(list(LOOKS), LOOKS)
    assert set(every) == {name for names in words.values() for name in names}
    for hue, names in words.items():
        for name, dashes in zip(names, DASHES.values(), strict=False):
            assert every[name] == Style(PALETTE[hue], dashes), name


def test_a_look_that_nobody_can_draw_is_refused():
    with pytest.raises(ValueError, match="look 'blue wavy': name one of blue, red"):
        styles(["awac"], {"awac": "blue wavy"})


@pytest.mark.parametrize("looks", [LOOKS, {}])
@pytest.mark.parametrize(
    "labels",
    [
        [*LOOKS, *(f"{name} [quick]" for name in LOOKS), *(f"{name} (external)" for name in LOOKS)],
        [*LOOKS, *(f"method {i}" for i in range(50))],
        [f"method {i}" for i in range(200)],
        [f"awac [quick-{i:08x}]" for i in range(50)],
        ["awac", "AWAC", "awac (external)", "awac-mine", "td3-mine", "td3_bc"],
    ],
)
def test_two_entries_never_look_the_same(labels, looks):
    found = styles(labels, looks)
    assert set(found) == set(labels)
    assert len({(s.color, str(s.dashes), s.marker) for s in found.values()}) == len(labels)


def test_tagged_and_unknown_variants_keep_the_colour_of_their_method():
    found = styles(["awac", "awac (external)", "sac-bc [quick]", "awac-mine", "cal-ql"], LOOKS)
    assert {found[x].color for x in ("awac", "awac (external)", "awac-mine")} == {PALETTE["blue"]}
    assert found["sac-bc [quick]"] == styles(["sac-bc"], LOOKS)["sac-bc"]
    assert styles(["td3_bc"], LOOKS)["td3_bc"] == styles(["td3-bc"], LOOKS)["td3-bc"]


def test_a_figure_is_saved_three_times_with_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        table = {x: {k: Interval(0.5, 0.4, 0.6) for k in AGGREGATES} for x in ("awac", "sac")}
        look.save(plots.aggregate_bars(table, "success", styles(list(table), LOOKS)), tmp_path / name, "figure")
    for kind, start in (("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")):
        one, other = ((tmp_path / name / f"figure.{kind}").read_bytes() for name in ("a", "b"))
        assert one == other
        assert one.startswith(start)
    assert b"CreationDate" not in (tmp_path / "a/figure.pdf").read_bytes()


def test_mean_ranks_by_hand():
    scores = {"a": {"x": 0.9, "y": 0.5}, "b": {"x": 0.9, "y": 0.7, "z": 0.1}, "c": {"x": 0.1, "z": math.nan}, "d": {}}
    ranks = mean_ranks(scores, ["x", "y", "z"])
    assert {k: v for k, v in ranks.items() if k != "d"} == {"a": 1.75, "b": pytest.approx(3.5 / 3), "c": 3}
    assert math.isnan(ranks["d"])


def test_the_heat_map_holds_every_score_and_hatches_what_is_missing():
    scores = {"low": {"x": 0.1, "y": -0.004}, "top": {"x": 0.95}, "never": {}}
    (ax,) = (figure := heat_map(scores, ["x", "y"], "success")).axes
    assert [t.get_text() for t in ax.get_yticklabels()] == ["top", "low", "never"]
    assert texts(figure) == ["0.95", "0.10", "0.00", "1.0 (1/2)", "1.5"]
    assert sum(bool(patch.get_hatch()) for patch in ax.patches) == 3


def test_scores_without_a_common_scale_are_shaded_task_by_task():
    scores = {"a": {"x": -5000.0, "y": 1.0}, "b": {"x": 1234.0, "y": 2.0}}
    (ax,) = (figure := heat_map(scores, ["x", "y"], "return")).axes
    assert {"−5,000", "1,234", "1.0", "2.0"} <= set(texts(figure))
    faces = [patch.get_facecolor() for patch in ax.patches]  # b is best on both: its row comes first
    assert faces[0] == faces[1] != faces[2] == faces[3]


def test_the_improvement_matrix_completes_the_other_half():
    table = {
        ("a", "b"): Interval(0.9, 0.7, 1.0),
        ("a", "c"): Interval(0.5, 0.3, 0.7),
        ("b", "c"): Interval(0.2, 0.1, 0.6),
    }
    (ax,) = (figure := improvement_matrix(table, ["b", "a", "c"])).axes
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "c", "b"]  # mean P of 0.7, 0.65, 0.15
    numbers = [t for t in ax.texts if re.fullmatch(r"\d\.\d\d", t.get_text())]
    assert [t.get_text() for t in numbers] == ["0.50", "0.90", "0.50", "0.80", "0.10", "0.20"]
    assert [t.get_fontweight() for t in numbers] == ["normal", "bold", "normal", "normal", "bold", "normal"]
    assert "0.00–0.30" in texts(figure)  # the complement of [0.7, 1]


def test_a_large_matrix_has_numbers_only():
    labels = [f"m{i}" for i in range(13)]
    table = {pair: Interval(0.5, 0.4, 0.6) for pair in itertools.combinations(labels, 2)}
    assert len(texts(improvement_matrix(table, labels))) == 13 * 12
    table.pop(("m0", "m1"))  # a pair that shares no task
    assert len(texts(improvement_matrix(table, labels))) == 13 * 12 - 2


def test_the_efficiency_curve_has_a_band_where_it_has_limits():
    x, nan = np.arange(4.0), np.full(4, np.nan)
    known = {"awac": (x, x / 4, x / 4 - 0.1, x / 4 + 0.1), "one seed": (x, x / 5, nan, nan)}
    figure = plots.efficiency(known, "environment steps", "success", styles(list(known), LOOKS))
    (ax,) = figure.axes
    assert [list(line.get_ydata()) for line in ax.lines] == [list(x / 4), list(x / 5)]
    assert ax.get_xlabel() == "environment steps"
    assert [len(band.get_paths()[0].vertices) if band.get_paths() else 0 for band in ax.collections] == [11, 0]


def line(label, steps, **over):
    steps = np.array(steps)
    y = np.linspace(0, 1, len(steps))
    fields = {"finished": True, "offline_only": False, "diverged": frozenset(), **over}
    seeds = Curve((0, 1), steps, np.stack([y, y]))
    return Line(label, "pen", fields["finished"], fields["offline_only"], steps, y, y, y, seeds, fields["diverged"])


def test_curves_shade_the_offline_phase_and_mark_what_is_unfinished():
    lines = [line("awac", [-100, 0, 50, 100]), line("bc", [-100, 0], offline_only=True)]
    lines.append(line("sac", [-100, 0, 50], finished=False))
    figure = curves.curve_panels(lines, ["pen"], "success", styles(["awac", "bc", "sac"], LOOKS))
    (ax,) = figure.axes
    shade = ax.patches[0].get_extents().transformed(ax.transData.inverted())
    assert shade.x1 == pytest.approx(0)
    assert shade.x0 < -0.28
    named = [t.get_text() for t in figure.legends[0].get_texts()]
    assert named == ["awac", "bc (offline only)", "sac", "unfinished: up to here"]
    assert [t.get_text() for t in ax.get_xticklabels()][:2] == ["−100", "0"]
    (circle,) = [drawn for drawn in ax.lines if drawn.get_markerfacecolor() == "white"]
    assert list(circle.get_xdata()) == [0.5]


def cell(label, recorded):
    found = {name: Curve((0, 1), np.array([-10, 0, 10]), np.array([v, v], float)) for name, v in recorded.items()}
    return Cell("pen", label, (Source("x", label, "pen", (0, 1), True, {"name": "x"}, {}, found, {}, ()),))


def test_what_is_recorded_is_drawn_and_pairs_share_a_panel():
    recorded = {
        "q_data": [1, 2, 3],
        "q_policy": [4, 5, 6],
        "mmd": [1, 1, 1],
        "my_dual": [1e-3, 1, 1e3],
        "success": [0, 0, 1],
    }
    cells = [cell("bear", recorded)]
    panels = diagnostics.panels_of(cells)
    assert [panel.metrics for panel in panels] == [("q_data", "q_policy"), ("mmd",), ("my_dual",)]
    figure = diagnostics.diagnostics(cells, panels, styles(["bear"], LOOKS))
    data, policy = figure.axes[0].lines[:2]
    assert (data.get_linestyle(), list(data.get_ydata())) == ("-", [1, 2, 3])
    assert (policy.get_linestyle(), policy.get_marker(), list(policy.get_ydata())) == ("None", ".", [4, 5, 6])
    assert [ax.get_yscale() for ax in figure.axes] == ["linear", "linear", "log"]


def test_long_pairs_of_names_are_shortened_not_cut():
    panel = diagnostics.Panel("behaviour_log_prob_offline", "behaviour_log_prob_online")
    assert panel.title == "behaviour_log_prob: offline —   online ···"
    assert diagnostics.Panel("mmd", "mmd_floor").title == "mmd —   mmd_floor ···"


def halves(labels):
    return {x: dict.fromkeys(AGGREGATES, Interval(0.5, 0.4, 0.6)) for x in labels}


@pytest.mark.parametrize(
    ("metric", "words"),
    [("success", "final success; 1 is solved"), ("normalized_score", "final normalized score / 100; 1 is solved")],
)
def test_aggregates_say_on_which_scale_they_are(metric, words):
    assert plots.aggregate_bars(halves(["awac"]), metric, styles(["awac"], LOOKS)).get_supxlabel() == words


@pytest.mark.parametrize(
    ("steps", "names"),
    [
        ([-100, 0, 100], ["offline\nupdates", "environment steps"]),
        ([-100, 0], ["offline\nupdates"]),
        ([0, 100], ["environment steps"]),
    ],
)
def test_the_sides_of_the_switch_are_named_below_the_ticks(steps, names):
    figure = curves.curve_panels([line("awac", steps)], ["pen"], "success", styles(["awac"], LOOKS))
    figure.canvas.draw()
    (ax,) = figure.axes
    assert [text.get_text() for text in ax.texts] == names
    ticks = min(tick.get_window_extent().y0 for tick in ax.get_xticklabels())
    legend = figure.legends[0].get_window_extent().y1
    assert all(legend < text.get_window_extent().y0 < text.get_window_extent().y1 < ticks for text in ax.texts)


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 3, 10, 20])
def test_nothing_is_drawn_outside_of_a_figure(count):
    labels = [f"a long name of method {i}" for i in range(count)]
    looks, tasks = styles(labels, LOOKS), ["pen", "D4RL/antmaze/large-diverse-v1", "halfcheetah-medium-replay-v2"]
    scores = {x: np.random.default_rng(0).random((3, 3)) for x in labels}
    by_task = {x: list(found.T) for x, found in scores.items()}
    pairs = {pair: Interval(0.5, 0.4, 0.6) for pair in itertools.combinations(labels, 2)}
    drawn = [
        heat_map({x: dict(zip(tasks, scores[x][0], strict=True)) for x in labels}, tasks, "success"),
        plots.aggregate_bars(halves(labels), "normalized_score", looks),
        plots.profiles(Common(tuple(labels), tuple(tasks), by_task, {}, ()), "success", looks),
        improvement_matrix(pairs, labels),
        curves.curve_panels([line(x, [-100, 0, 100]) for x in labels], ["pen"], "success", looks),
    ]
    for figure in drawn:
        figure.canvas.draw()
        box = figure.get_tightbbox()
        width, height = figure.get_size_inches()
        assert box.x0 > -0.01
        assert box.y0 > -0.01
        assert box.x1 < width + 0.01
        assert box.y1 < height + 0.01


def test_rounding_is_not_drawn_as_a_difference():
    hair = {f"{x} on pen": Interval(0.5 + d, 0.5 + d - 1e-17, 0.5 + d + 1e-17) for x, d in (("a", 0), ("b", 1e-16))}
    (axes,) = plots.difference_bars(hair, "success").axes
    low, high = axes.get_xlim()
    assert high - low > 0.05
    assert not axes.patches
    wide = {"a on pen": Interval(0.5, 0.4, 0.6)}
    (axes,) = plots.difference_bars(wide, "success").axes
    assert [round(bar.get_width(), 6) for bar in axes.patches] == [0.2]


def test_a_task_is_broken_at_its_hyphens():
    figure = heat_map({x: {"halfcheetah-v5": 1.0, "ant-v5": 2.0} for x in "ab"}, ["halfcheetah-v5", "ant-v5"], "return")
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()][:2] == ["halfcheetah-\nv5", "ant-v5"]


def test_a_name_with_dollar_signs_is_a_name(tmp_path):
    names = ["my_$\\frac{a}$_method", "a $ b"]
    figure = curves.curve_panels([line(x, [-100, 0, 100]) for x in names], ["pen $x$"], "success", styles(names, {}))
    look.save(figure, tmp_path, "figure")
    assert "frac" in (tmp_path / "figure.svg").read_text()


def test_the_axis_of_a_profile_holds_all_scores_and_little_else():
    for low, high in ((-20.0, 130.0), (60.0, 90.0), (-80.0, -10.0)):
        scores = {"a": [np.array([low, (low + high) / 2]) / 100], "b": [np.array([high, high]) / 100]}
        grid = Common(("a", "b"), ("hopper",), scores, {}, ())
        (ax,) = plots.profiles(grid, "normalized_score", styles(["a", "b"], {})).axes
        from_, to = ax.get_xlim()
        assert low - 0.1 * (high - low) < from_ < low
        assert high < to < high + 0.1 * (high - low)
        first, second = (line.get_ydata() for line in ax.lines[:2])
        assert (first[0], second[0], first[-1], second[-1]) == (1, 1, 0, 0)
    alike = Common(("a",), ("pen",), {"a": [np.array([0.2, 0.2])]}, {}, ())
    (ax,) = plots.profiles(alike, "success", styles(["a"], {})).axes
    assert ax.get_xlim()[0] < 0.2 < ax.get_xlim()[1]


def test_of_many_evaluations_means_are_drawn_by_hand():
    """200 of them: each seed's means of 5 in a row, none across the switch, and the IQM of those."""
    steps = np.arange(-99, 101)
    values = np.stack([np.arange(200.0), np.arange(200.0) + 2])
    drawn = lines_of([cell_of("pen", "a", {0: values[0], 1: values[1]}, steps=steps, metric="return")], "return", 0)[0]
    assert drawn.legible.each == 5
    assert len(drawn.legible.steps) == 40
    np.testing.assert_allclose(drawn.legible.point[:2], [3, 8])  # 0..4 and 2..6; 5..9 and 7..11
    assert drawn.legible.steps[19] < 0 < drawn.legible.steps[20]
    figure = curves.curve_panels([drawn], ["pen"], "return", styles(["a"], {}), large=True)
    assert max(len(path.get_xdata()) for path in figure.axes[0].lines) == 40
    few = lines_of([cell_of("pen", "a", {0: values[0][:60], 1: values[1][:60]}, steps=steps[:60])], "success", 0)[0]
    assert few.legible is few


@pytest.mark.parametrize("ends", [(-12_345.0, 9_000.0), (-150_000.0, 20_000.0), (-0.0123, 0.004)])
def test_long_numbers_leave_room_for_the_title_of_their_axis(ends):
    steps = np.array([-100, 0, 100])
    y = np.array([ends[0], 0.0, ends[1]])
    wide = Line("a", "cheetah", True, False, steps, y, y, y, Curve((0, 1), steps, np.stack([y, y])), frozenset())
    figure = curves.curve_panels([wide], ["cheetah"], "return", styles(["a"], {}))
    figure.draw_without_rendering()
    assert figure.axes[0].yaxis.get_label().get_window_extent().x0 >= 0


def test_a_drawing_inside_the_page_holds_no_markup_of_a_name(tmp_path):
    (tmp_path / "figures").mkdir()
    name = '"</svg><script>document.title = 1</script>'
    look_of = styles([name], {})
    drawn = [
        curves.curve_panels([line(name, [-100, 0, 100])], ["pen"], "success", look_of),
        heat_map({name: {name: 0.5}}, [name], "success"),
        plots.aggregate_bars(halves([name]), "success", look_of),
    ]
    for number, figure in enumerate(drawn):
        found = embed.shown(tmp_path, f"f{number}", "title", name, figure)
        assert "&lt;script" in found.drawing
        assert "<script" not in found.drawing
        assert found.drawing.count("</svg>") == 1
        assert found.drawing.count("data-of=") > 1
