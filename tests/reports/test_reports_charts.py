"""The curves that the page's script draws: values, methods on and off, zoom, smoothing, and the scheme of the page."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from browser import started, watched
from cells import cell
from PIL import Image
from test_reports import PLAIN, write

import reports
from reports.numbers.lines import lines_of
from reports.page.live import as_script, holds_singles, task_chart
from reports.pictures.styles import styles

WIDE = {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Two methods on two tasks, and one that trains offline only."""
    root = tmp_path_factory.mktemp("charts") / "runs"
    for task in ("door", "pen"):
        write(root, task, "awac", PLAIN)
        write(root, task, "sac", {s: tuple(v / 2 for v in values) for s, values in PLAIN.items()})
        write(root, task, "bc", {s: v[:2] for s, v in PLAIN.items()}, offline_only=True)
    for path in root.rglob("status.json"):
        status = json.loads(path.read_text())
        spent = {"offline": 60.0, "update": 100.0, "collect": 20.0, "evaluate": 0.0}
        path.write_text(json.dumps({**status, "seconds": spent, "updates_per_second": 2.5}))
    return reports.build(root, root.parent / "report").parent


@pytest.fixture(scope="module")
def browser():
    with started() as one:
        yield one


@pytest.fixture
def opened(browser, report):
    """The page, its charts drawn."""
    with watched(browser, (report / "index.html").as_uri(), viewport=WIDE) as tab:
        tab.locator("#summary canvas").wait_for()
        yield tab


def legend(tab, where="#summary"):
    """The legend of a chart: name -> what it says of the place that is looked at."""
    entries = tab.locator(f"{where} .legend button").all()
    return {one.locator("span").first.text_content(): one.locator(".value").text_content().strip() for one in entries}


def test_the_first_screen_has_the_verdict_the_ranking_and_the_curves(opened):
    for part in (
        ".lead >> nth=0",
        ".lead >> nth=1",
        "canvas",
        "#table-ranking",
        "[aria-labelledby=table-ranking] tbody",
    ):
        box = opened.locator(f"#summary {part}").first.bounding_box()
        assert box["y"] + box["height"] <= WIDE["height"], part


def test_values_are_said_where_the_keyboard_stands(opened):
    opened.locator("#summary .tools select").first.select_option(label="door")
    opened.locator("#summary .plot").focus()
    opened.keyboard.press("ArrowLeft")  # from nowhere to the last evaluation
    assert opened.locator("#summary .said").text_content() == "At 300 environment steps:"
    found = legend(opened)
    assert found["awac"].startswith("0.8 [")  # of 0.8, 0.6, 1.0
    assert found["sac"].startswith("0.4 [")
    assert found["bc (offline only)"].startswith("0.4 [")  # its score at the switch
    for _ in range(4):
        opened.keyboard.press("ArrowLeft")
    assert opened.locator("#summary .said").text_content() == "At 100 updates before the switch:"
    assert legend(opened)["awac"].startswith("0.0333 [")


def test_values_are_said_where_the_pointer_is(opened):
    opened.locator("#summary .tools select").first.select_option(label="pen")
    box = opened.locator("#summary .u-over").bounding_box()
    opened.mouse.move(box["x"] + box["width"] - 12, box["y"] + 50)
    assert opened.locator("#summary .said").text_content() == "At 300 environment steps:"
    assert legend(opened)["awac"].startswith("0.8 [")


def test_a_method_is_switched_off_for_the_whole_page(opened):
    button = opened.locator("#summary .legend button", has_text="sac")
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert opened.locator(".chooser summary").text_content() == "Show awac, bc on all tasks"
    shown = opened.locator("[aria-labelledby=table-ranking] tbody tr:visible td:nth-child(2)").all_text_contents()
    assert shown == ["awac", "bc"]
    button.click()
    assert opened.locator(".chooser summary").text_content() == "Show all algorithms on all tasks"


def ticks(tab):
    """What the chart of the first screen shows of its horizontal axis: the ends of it."""
    return tab.evaluate(
        "(() => { const { min, max } = document.querySelector('#summary .plot').chart.plot.scales.x;"
        " return [min, max]; })()"
    )


def test_zoom_by_buttons_keys_and_dragging(opened):
    whole = ticks(opened)
    opened.get_by_role("button", name="Zoom in").first.click()
    near = ticks(opened)
    assert near[1] - near[0] == pytest.approx((whole[1] - whole[0]) / 2)
    opened.get_by_role("button", name="Show the whole curve").first.click()
    assert ticks(opened) == whole
    box = opened.locator("#summary .u-over").bounding_box()
    opened.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 40)
    opened.mouse.down()
    opened.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 40, steps=4)
    opened.mouse.up()
    near = ticks(opened)
    assert near[1] - near[0] == pytest.approx((whole[1] - whole[0]) / 4, rel=0.05)
    opened.locator("#summary .plot").focus()
    opened.keyboard.press("0")
    assert ticks(opened) == whole


def test_smoothing_never_crosses_the_switch(opened):
    opened.locator("#summary .tools select").first.select_option(label="door")
    drawn = "document.querySelector('#summary .plot').chart.lines.find((one) => one.line.of === 'awac').y"
    assert opened.evaluate(drawn) == pytest.approx([0.03333, 0.4, 0.3333, 0.7333, 0.8])
    opened.locator("#summary .tools select").nth(1).select_option(label="running mean of 3")
    expected = [0.21667, 0.21667, 0.5333, 0.6222, 0.76667]  # by hand: two before the switch and at it, three after
    assert opened.evaluate(drawn) == pytest.approx(expected, abs=1e-3)


def test_curves_against_wall_time(opened):
    opened.locator("#summary .tools select").first.select_option(label="door")
    opened.locator("#summary").get_by_label("against wall time").check()
    opened.locator("#summary .plot").focus()
    opened.keyboard.press("ArrowLeft")
    assert opened.locator("#summary .said").text_content() == "At 3 minutes since the start:"  # 180 seconds
    for _ in range(3):
        opened.keyboard.press("ArrowLeft")
    assert opened.locator("#summary .said").text_content() == "At 1 minutes since the start:"  # the switch


def test_enlarging_a_chart_makes_it_larger(opened):
    before = opened.locator("#summary canvas").bounding_box()
    opened.locator("#summary .tools").get_by_role("button", name="Enlarge").click()
    opened.wait_for_function("document.querySelector('#summary canvas').clientHeight > 400")
    after = opened.locator("#summary canvas").bounding_box()
    assert after["width"] > 1.2 * before["width"]
    assert after["height"] > 1.5 * before["height"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_charts_and_drawings_follow_the_scheme_of_the_page(browser, report, tmp_path, scheme):
    with watched(browser, (report / "index.html").as_uri(), viewport=WIDE, color_scheme=scheme) as tab:
        tab.locator("#summary canvas").wait_for()
        for name, place in (("chart", "#summary canvas"), ("drawing", "#before-after .pan svg")):
            tab.locator(place).first.screenshot(path=tmp_path / f"{name}.png")
            pixels = np.asarray(Image.open(tmp_path / f"{name}.png").convert("L"), float)
            assert (np.median(pixels) > 200) == (scheme == "light"), name


def test_on_paper_the_drawings_are_there_instead_of_the_charts(opened):
    opened.emulate_media(media="print")
    assert opened.locator("canvas:visible").count() == 0
    assert opened.locator("#summary .pan svg:visible, #summary .pan img:visible").count() == 1


def test_a_single_task_is_drawn_once(tmp_path):
    """Its curve is on the first screen, and nothing is aggregated over it."""
    for algo in ("awac", "sac"):
        write(tmp_path / "runs", "pen", algo, PLAIN)
    html = reports.build(tmp_path / "runs", tmp_path / "out").read_text()
    figures = re.findall(r'<span class="what">([^<]*)</span>', html)
    assert figures == [
        "success across the switch",
        "pen: learning metrics",
        "Performance profile: higher is better at every threshold",
        "Probability of improvement",
    ]
    assert 'id="table-aggregates"' not in html
    assert 'id="table-differences_over_tasks"' not in html


def test_names_cannot_end_the_script_that_holds_the_numbers():
    name = "</script><script>alert(1)//"
    lines = lines_of([cell("pen", name, {0: (0.1, 0.2, np.nan), 1: (0.3, 0.4, np.inf)}, steps=(-1, 0, 5))], "return", 0)
    text = as_script([task_chart("pen", lines, "success", styles([name], {}), {}, singles=True)])
    assert "<" not in text
    assert json.loads(text)[0]["lines"] == [] or json.loads(text)[0]["lines"][0]["of"] == name


def test_single_seeds_are_left_out_where_there_are_too_many_of_them():
    few = lines_of([cell("pen", "a", {s: np.zeros(100) for s in range(3)}, steps=range(100))], "success", 0)
    assert holds_singles(few)
    assert not holds_singles(few * 201)


def test_the_vendored_library_is_the_one_that_its_note_says():
    from importlib import resources

    vendor = resources.files("reports") / "page" / "vendor"
    version = re.search(r"uPlot (\d+\.\d+\.\d+)", (vendor / "README.md").read_text())[1]
    assert f"(v{version}) */" in (vendor / "uPlot.iife.min.js").read_text()[:80]
    assert "MIT License" in (vendor / "LICENSE").read_text()


def test_the_page_holds_the_library_with_its_licence(report):
    html = (report / "index.html").read_text()
    assert "github.com/leeoniya/uPlot" in html
    assert "Copyright (c) 2022 Leon Sorokin" in html
    assert "default-src 'none'" in html
