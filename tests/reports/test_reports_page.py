"""The page in a real browser: what a reader sees, clicks, filters, enlarges and prints."""

from __future__ import annotations

import re

import pytest
from browser import started, watched
from test_reports import PLAIN, records, write

import reports
from reports.page import build
from reports.page.runs import shown_runs
from reports.pictures import embed
from reports.runs.collect import collect
from reports.tables.table import Table

NASTY = '<script>document.title = "taken"</script>'
SECTIONS = ("summary", "curves", "before-after", "over-tasks", "cells", "runs", "method")


def write_runs(root):
    """Four methods on three tasks: one cell missing, one failed, one unfinished, one of another version."""
    for task in ("door", "pen", "relocate"):
        for i, algo in enumerate(("awac", "bc", "sac", "sac-bc")):
            over = {"success_rule": NASTY, "command": ["bench run", NASTY]}
            if (task, algo) == ("door", "sac-bc"):
                continue
            if (task, algo) == ("pen", "sac"):
                over |= {"state": "failed", "name": NASTY.replace("/", "")}
            if (task, algo) == ("relocate", "sac"):
                over |= {"versions": {"torch": "2.8.0"}, "revision": "def"}
            scores = {s: tuple(max(0.0, v - 0.1 * i) for v in values) for s, values in PLAIN.items()}
            if over.get("state"):
                scores = {s: v[:3] for s, v in scores.items()}
            if algo == "bc":
                over, scores = {**over, "offline_only": True}, {s: v[:2] for s, v in scores.items()}
            if (task, algo) == ("relocate", "sac-bc"):
                over, scores = {**over, "diverged": {3: 200}}, {**scores, 3: (0, 0, 0, 0, 0)}
            write(root, task, algo, scores, temperature=2.0 if task == "pen" else 1.0, **over)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("page") / "runs"
    write_runs(root)
    return root


@pytest.fixture(scope="module")
def report(runs):
    return reports.build(runs, runs.parent / "report").parent


@pytest.fixture(scope="module")
def browser():
    with started() as one:
        yield one


@pytest.fixture
def opened(browser, report):
    """The page at 1280 px."""
    with watched(browser, (report / "index.html").as_uri(), viewport={"width": 1280, "height": 900}) as tab:
        yield tab


def column(tab, table, name):
    """The texts of one column of the rows that are shown, as they stand."""
    script = """([table, name]) => {
      const box = document.querySelector(`[aria-labelledby=table-${table}] table`);
      const at = [...box.tHead.rows[0].cells].findIndex((cell) => cell.textContent === name);
      return [...box.tBodies[0].rows].filter((row) => row.checkVisibility()).map((row) => row.cells[at].textContent);
    }"""
    return tab.evaluate(script, [table, name])


def head(tab, table, name):
    return tab.locator(f"[aria-labelledby=table-{table}] table th", has_text=re.compile(f"^{name}$"))


def test_every_section_is_there_and_nothing_of_a_run_is_markup(opened):
    assert [s.get_attribute("id") for s in opened.locator("section").all()] == list(SECTIONS)
    assert opened.title() == "Report: success"
    assert opened.get_by_text(f"Success: {NASTY}.").count() == 3
    assert opened.locator("main script").count() == 0
    assert opened.locator("nav").count() == opened.locator("main").count() == opened.locator("h1").count() == 1


def test_a_click_on_a_header_sorts_by_number_and_empty_cells_stay_last(opened):
    name, before = "mean of last 3", column(opened, "before_after", "mean of last 3")
    empty = [x for x in before if x == "–"]
    numbers = sorted(float(x.split(" ")[0].replace("−", "-")) for x in before if x != "–")
    assert len(set(numbers)) > 1
    assert empty
    button = head(opened, "before_after", name).locator("button")
    for order, direction in ((numbers, "ascending"), (numbers[::-1], "descending")):
        button.click()
        now = column(opened, "before_after", name)
        assert [float(x.split(" ")[0].replace("−", "-")) for x in now if x != "–"] == order
        assert now[-len(empty) :] == empty
        assert head(opened, "before_after", name).get_attribute("aria-sort") == direction
    button.click()
    assert column(opened, "before_after", name) == before
    assert head(opened, "before_after", name).get_attribute("aria-sort") is None


@pytest.mark.parametrize(
    ("shown", "order"),
    [
        (["1,234", "99", "1,000,000", "−3.1", "–", "", "5 %"], ["−3.1", "5 %", "99", "1,234", "1,000,000", "–", ""]),
        (["0.62 [0.50, 0.71]", "0.1 [0, 9]", "10.0"], ["0.1 [0, 9]", "0.62 [0.50, 0.71]", "10.0"]),
        (["task-10", "task-9", "Task-1"], ["Task-1", "task-9", "task-10"]),
        (["0, 1, 2", "0, 1", "10"], ["0, 1", "0, 1, 2", "10"]),
        (["1e-4", "2", "1e3"], ["1e-4", "2", "1e3"]),
    ],
)
def test_sorting_by_hand(browser, report, shown, order):
    script = (report / "index.html").read_text().rpartition("<script>")[2].partition("</script>")[0]  # without #charts
    rows = "".join(f"<tr><td>{x}</td></tr>" for x in shown)
    table = f"<table><thead><tr><th>x</th></tr></thead><tbody>{rows}</tbody></table>"
    tab = browser.new_page()
    tab.set_content(
        f"<div class=bar><div></div></div><figure class=table><div>{table}</div></figure><script>{script}</script>"
    )
    tab.locator("th button").click()
    assert [cell.text_content() for cell in tab.locator("td").all()] == order
    tab.close()


def test_headers_are_reached_and_used_by_keyboard(opened):
    head(opened, "cells", "algorithm").locator("button").focus()
    opened.keyboard.press("Enter")
    names = column(opened, "cells", "algorithm")
    assert names == sorted(names)
    opened.keyboard.press("Space")
    assert column(opened, "cells", "algorithm") == sorted(names, reverse=True)


def test_a_search_hides_rows_and_says_how_many_are_left(opened):
    total = len(column(opened, "cells", "task"))
    box = opened.locator("figure.table", has=opened.locator("#table-cells"))
    box.get_by_label("Search rows").fill("PEN  awac")
    assert column(opened, "cells", "task") == ["pen"]
    assert box.locator("output").text_content() == f"showing 1 of {total} rows"
    box.get_by_label("Search rows").fill("")
    assert len(column(opened, "cells", "task")) == total
    assert box.locator("output").text_content() == ""


def test_algorithms_and_tasks_are_chosen_once_for_the_whole_page(opened):
    opened.locator(".chooser summary").click()
    choose = opened.locator(".chooser")
    choose.get_by_label("awac", exact=True).check()
    choose.get_by_label("pen", exact=True).check()
    assert opened.locator(".chooser summary").text_content() == "Show awac on pen"
    assert set(column(opened, "before_after", "task")) == {"pen"}
    assert set(column(opened, "cells", "algorithm")) == {"awac"}
    assert column(opened, "aggregates", "algorithm") == ["awac"]
    heads = opened.locator("[aria-labelledby=table-paper_means] th:visible").all_text_contents()
    assert heads == ["task", "awac"], "columns of entries follow, too"
    assert opened.locator("#curves h3:visible").all_text_contents() == ["pen"]
    assert opened.locator("#runs details[data-task]:visible").count() == 1
    assert opened.locator("#curves .find output").text_content() == "showing 1 of 3 tasks"
    drawn = """(name) => [...document.querySelectorAll(`#over-tasks [data-of=${name}]`)].some((node) =>
      getComputedStyle(node).display !== 'none')"""
    assert [opened.evaluate(drawn, name) for name in ("awac", "bc", "sac")] == [True, False, False]
    choose.get_by_role("button", name="Show all").click()
    assert opened.locator("#curves h3:visible").count() == 3
    assert opened.evaluate(drawn, "bc")


def test_a_cell_leads_to_its_run_and_runs_are_searched(opened):
    opened.get_by_label("Search runs").fill("2.8.0")
    assert opened.locator("#runs details[data-task]:visible").count() == 1
    opened.locator("[aria-labelledby=table-before_after] a", has_text="awac").first.click()
    run = opened.locator("#runs details[open]")
    assert run.locator("summary").inner_text().startswith("door/awac/quick-1a2b3c4d")  # shown although not searched for
    for text in ("f00d", "2.13.0", "cpu", "bench run"):
        assert text in run.inner_text()


def test_a_figure_is_enlarged_and_escape_gives_the_focus_back(opened):
    button = opened.locator("#before-after .pan button").first
    dialog = opened.locator("dialog")
    assert not dialog.is_visible()
    before = button.locator("svg").bounding_box()["width"]
    button.focus()
    opened.keyboard.press("Enter")
    assert dialog.is_visible()
    copy = dialog.locator("svg")
    assert copy.get_attribute("aria-label") == button.locator("svg").get_attribute("aria-label")
    assert copy.bounding_box()["width"] > 1.19 * before
    dialog.get_by_role("button", name="Larger still").click()
    assert copy.bounding_box()["width"] > 1.49 * before
    opened.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert button.evaluate("(node) => node === document.activeElement")
    button.click()
    dialog.get_by_role("button", name="Close").click()
    assert not dialog.is_visible()


def test_whatever_says_enlarge_does(opened):
    """Also figures as wide as the page, for which the window has no more room."""
    opened.evaluate("document.querySelectorAll('details').forEach((node) => { node.open = true; })")
    buttons = opened.locator(".pan button:visible")
    assert buttons.count() > 3
    for button in buttons.all():
        before = button.locator("svg, img").bounding_box()["width"]
        button.click()
        assert opened.locator("dialog svg, dialog img").bounding_box()["width"] > 1.19 * before
        opened.keyboard.press("Escape")


def test_every_control_and_picture_has_a_name(opened):
    bare = """() => [...document.querySelectorAll(
      "button, input, select, img, [role=img], [role=region], [role=application], dialog")].filter((node) =>
      !(node.getAttribute("aria-label") || node.getAttribute("alt") || node.getAttribute("aria-labelledby")
        || node.textContent.trim() || node.closest("label")?.textContent.trim())).map((node) => node.outerHTML)"""
    opened.locator("#before-after .pan button").first.click()  # gives the dialog its name, and makes a copy with ids
    assert opened.evaluate(bare) == []
    ids = opened.evaluate("[...document.querySelectorAll('[id]')].map((node) => node.id)")
    assert len(ids) == len(set(ids))
    targets = opened.evaluate("[...document.querySelectorAll('a[href^=\"#\"]')].map((a) => a.hash.slice(1))")
    assert set(targets) <= set(ids)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_that_wcag_asks_for(browser, report, scheme):
    tab = browser.new_page(color_scheme=scheme)
    tab.goto((report / "index.html").as_uri())
    pairs = [("ink", "paper"), ("soft", "paper"), ("link", "paper"), ("ink", "band"), ("link", "band"), ("ink", "note")]

    def luminance(name):
        value = tab.evaluate(f"getComputedStyle(document.documentElement).getPropertyValue('--{name}')").strip("# ")
        value = "".join(c * 2 for c in value) if len(value) == 3 else value
        parts = [int(value[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    for one, other in pairs:
        high, low = sorted((luminance(one), luminance(other)), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, (one, other)
    tab.close()


def test_a_phone_scrolls_tables_in_their_boxes_and_never_the_page(browser, report):
    tab = browser.new_page(viewport={"width": 360, "height": 740})
    tab.goto((report / "index.html").as_uri())
    tab.evaluate("document.querySelectorAll('details').forEach((node) => { node.open = true; })")
    page_width = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    scrolled, client = tab.evaluate(page_width)
    assert scrolled <= client == 360
    box = tab.locator(".scroll[aria-labelledby=table-before_after]")
    assert box.evaluate("(node) => node.scrollWidth > node.clientWidth")
    first = box.locator("tbody td").first
    left = first.bounding_box()["x"]
    box.evaluate("(node) => { node.scrollLeft = 200; }")
    assert first.bounding_box()["x"] == pytest.approx(left, abs=1)  # the first column stays
    tab.close()


def test_without_javascript_everything_is_readable(browser, report):
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1000, "height": 800})
    tab = context.new_page()
    tab.goto((report / "index.html").as_uri())
    assert tab.locator("tbody tr:visible").count() >= 30
    assert tab.locator("section:visible").count() == len(SECTIONS)
    assert tab.locator("button, input, select").count() == 0
    assert tab.locator("#summary svg[role=img]:visible, #summary img:visible").count() == 1
    details = tab.locator("#runs details[data-task]").first
    details.locator("summary").click()
    assert details.get_by_text("f00d").is_visible()
    context.close()


def test_print_has_all_sections_and_figures_and_no_controls(opened, tmp_path):
    opened.emulate_media(media="print")
    assert opened.locator(
        "button:visible:not(.pan button), input:visible, select:visible, canvas:visible, nav:visible, .files:visible"
    ).count() == (
        opened.locator("th button:visible").count()  # a header's text is its button
    )
    assert opened.locator("section:visible").count() == len(SECTIONS)
    opened.emulate_media(media=None)
    opened.evaluate(
        "window.wasOpen = 0; window.addEventListener('beforeprint', () => { window.wasOpen = "
        "document.querySelectorAll('details.printed[open]').length; })"
    )
    paper = opened.pdf(path=tmp_path / "page.pdf", format="A4")
    assert opened.evaluate("window.wasOpen") == opened.locator("details.printed").count() > 0
    assert opened.locator("details.printed[open]").count() == 0  # closed again
    assert len(re.findall(rb"/Type\s*/Page\b", paper)) >= 4


@pytest.mark.slow
def test_what_must_not_be_missed_is_listed_first(report):
    listed = [(r["what"], r["task"], r["algorithm"]) for r in records(report / "tables/notices.csv")]
    assert listed == [
        ("missing", "door", "sac-bc"),
        ("failed", "pen", "sac"),
        ("diverged", "relocate", "sac-bc"),
        ("other version", "relocate", "sac"),
    ]
    details = {r["what"]: r["detail"] for r in records(report / "tables/notices.csv")}
    assert details["diverged"] == "seed 3 at step 200: counted as 0 from then on"
    assert details["other version"] == "torch 2.8.0 (most runs: 2.13.0), revision def (most runs: abc)"
    html = (report / "index.html").read_text()
    assert html.index("tables/notices.csv") < html.index('id="curves"')


@pytest.mark.slow
def test_damaged_folders_are_named_and_nothing_wrong_is_said_so(tmp_path):
    write(tmp_path / "runs", "pen", "awac", PLAIN)
    assert "Nothing is missing" in reports.build(tmp_path / "runs", tmp_path / "out").read_text()
    broken = write(tmp_path / "runs", "pen", "sac", PLAIN)
    (broken / "run.json").write_text("{half")
    folder = reports.build(tmp_path / "runs", tmp_path / "out").parent
    (row,) = records(folder / "tables/notices.csv")
    assert (row["what"], row["task"], row["algorithm"]) == ("quarantined", "pen", "sac")
    assert "not readable as JSON" in row["detail"]
    assert "sac" not in {r["algorithm"] for r in records(folder / "tables/cells.csv")}


def test_the_leader_of_each_task_is_named_with_what_is_told_apart_from_it(report):
    """On door every seed of sac is 0.2 lower, which three pairs do not prove."""
    rows = {r["task"]: r for r in records(report / "tables/leaders.csv")}
    door = rows["door"]
    assert (door["highest"], door["lower"], door["not_told_apart"]) == ("awac", "", "sac; bc")
    assert float(door["highest_mean"]) == pytest.approx(0.8)  # of 0.8, 0.6, 1.0


def test_a_run_shows_the_settings_in_which_it_differs_and_all_are_in_the_csv(runs, report):
    shown = shown_runs(collect([runs]).cells)
    usual = {entry["name"]: entry["value"] for entry in shown.usual["awac"]}
    assert usual == {"offline_updates": 100, "online_steps": 300, "temperature": 1.0}
    views = {(v["task"], v["algo"]): v for v in shown.views}
    assert views["door", "awac"]["settings"] == []
    (odd,) = views["pen", "awac"]["settings"]
    assert (odd["name"], odd["value"], odd["usual"], odd["source"]) == ("temperature", 2.0, 1.0, "<b>ours</b>")
    written = [r for r in records(report / "tables/settings.csv") if r["where"] == "pen/awac/quick-1a2b3c4d"]
    assert {r["setting"]: r["value"] for r in written}["temperature"] == "2.0"
    assert len(written) == 3


def test_a_figure_goes_into_the_page_in_the_smaller_of_two_forms(tmp_path):
    body = '<p d="1.23999 4.5" id="m1"/><use href="#m1" style="fill: #0a72fc; stroke: #ffffff"/><text>0.12345</text>'
    body += '<g id="patch_1"/><g id="of a 1.23456"/><text style="fill: #fefefe">&lt;script></text>'
    (tmp_path / "f.svg").write_text(f'<?xml?>\n<svg viewBox="0 0 9 9" width="9pt">\n{body}</svg>')
    (tmp_path / "f.png").write_bytes(b"x" * 500)
    assert embed._smaller(tmp_path / "f", "a & b") == (
        '<svg role="img" aria-label="a &amp; b" viewBox="0 0 9 9"> <p d="1.23 4.5" id="f-m1"/>'
        '<use href="#f-m1" style="fill: var(--blue); stroke: var(--paper)"/><text>0.12345</text>'
        '<g/><g data-of="a 1.23456"/><text style="fill: #fefefe">&lt;script></text></svg>',
        "",
    )
    (tmp_path / "f.png").write_bytes(b"x" * 6)
    assert embed._smaller(tmp_path / "f", "") == ("", "data:image/png;base64,eHh4eHh4")


def test_a_number_and_its_interval_stay_on_one_line_and_sentences_do_not():
    texts = [
        "0.62 [0.51, 0.70]",
        "−3.1 ± 2.0",
        "−0.07 [−0.34, 0.01] (k = 100)",
        "awac, pen: 0.05 [−0.05, 0.15]; more",
        "5",
    ]
    table = Table("t", "", ["a"] * 5, [texts], [], [])
    looks = [cell["look"] for cell in build._shown(table, shown_runs([]))["rows"][0]]
    assert looks == ["num", "num", "num", "", ""]
