"""Named suites: their files, the cells that they come to, and what `bench suite` says and does."""

from __future__ import annotations

import itertools
import json
import shlex
from pathlib import Path

import pytest
import toy_run
from asked import resolve
from command import Bench

import algos
import suite.launch.processes
from algos.settings import SettingError
from envs.task import DEFAULT
from suite.experiment.profiles import PROFILES
from suite.experiment.request import Override, Request, parse_seeds
from suite.experiment.resolve import resolve_all
from suite.plans import read as plans
from suite.plans.cells import planned
from suite.plans.read import Departure, Entry
from suite.record.folders import read_run
from suite.record.metrics import METRICS
from suite.record.papers import printed

FIGURES = {
    "awac-fig2-data-efficiency",
    "awac-fig2-bootstrap-error",
    "awac-fig2-policy-constraint",
    "awac-fig2-behavior-likelihood",
    "awac-fig3-dexterous",
    "awac-fig3-longer",
    "awac-fig4-push",
    "awac-fig5-locomotion",
    "awac-fig7-cql-algaedice",
    "awac-fig8-d4rl",
    "awac-table1-z",
    "awac-table3-bc",
    "awr-table1-online",
    "awr-table2-imitation",
    "awr-fig4-ablations",
    "awr-fig4-buffer",
    "awr-fig7-static",
    "modern",
}
TOY = f"""
title = "A toy"
metric = "return"
seeds = {{ value = 2, source = "ours" }}

[set]
{"".join(f'{k} = {{ value = "{v}", source = "toy", always = true }}{chr(10)}' for k, v in toy_run.SIZES.items())}
temperature = {{ value = 0.25, source = "a paper" }}

[[grid]]
algos = ["awac", "bc"]
envs = ["{toy_run.TASK.id}"]
datasets = ["{toy_run.DATA}"]

[[grid]]
algos = ["awac", "nothing-like-it"]
envs = ["{toy_run.TASK.id}"]
datasets = ["{toy_run.DATA}"]
name = "warm"
[grid.set]
temperature = {{ value = 4, source = "another" }}
"""


@pytest.fixture
def toy(tmp_path: Path) -> str:
    path = tmp_path / "toy.toml"
    path.write_text(TOY)
    return str(path)


def test_every_figure_of_the_papers_is_there() -> None:
    assert set(plans.names()) == FIGURES


@pytest.mark.parametrize("name", sorted(FIGURES))
@pytest.mark.parametrize("profile", PROFILES)
def test_every_cell_is_possible(name: str, profile: str) -> None:
    """No cell that ships asks for a setting, method, task or dataset that is not here."""
    plan = plans.load(name)
    cells = planned(plan, profile, (0, 1))
    assert len(cells) == len(plan.entries)
    assert [cell.why_not for cell in cells if cell.experiment is None] == []


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_a_plan_holds_departures_with_sources_and_a_headline_that_exists(name: str) -> None:
    plan = plans.load(name)
    assert plan.metric is None or plan.metric in METRICS
    assert plan.seeds_source
    assert all(d.override.reason for e in plan.entries for d in e.departures)
    for cell in planned(plan, "paper", (0,)):
        if cell.experiment is not None:
            entry = cell.entry
            plain = resolve(entry.algo, entry.env, (0,), "paper", (), None, entry.dataset, entry.preset)
            names = {override.name for override in cell.experiment.overrides}
            moved = {n for n, s in plain.settings.items() if s != cell.experiment.settings.get(n)}
            assert names <= moved | {"prior_data", "online_steps"}, f"{entry.cell}: departs by what is the default"


def test_printed_numbers_belong_to_a_plan() -> None:
    """Every place of the papers that numbers are printed at is reproduced by name; others are matched by their data."""
    places = {f"{p.paper} {p.place}" for p in printed() if "/" not in p.dataset}
    assert places <= {plans.load(name).place for name in plans.names()}
    assert {p.paper for p in printed() if p.dataset.startswith("d4rl/")} == {"CORL", "XQL", "IQL", "ReBRAC", "FQL"}
    assert {p.paper for p in printed() if p.dataset.startswith("ogbench/")} == {"FQL"}


def test_sizes_of_the_profile_stand_over_the_plans_unless_it_says_always() -> None:
    paper, quick = (
        {(c.entry.algo, c.entry.env): c for c in planned(plans.load("awac-fig8-d4rl"), p, (0,), ["data=random"])}
        for p in ("paper", "quick")
    )
    key = ("awac", "halfcheetah")
    assert paper[key].experiment.protocol.online_steps == 500_000
    assert quick[key].experiment.protocol.online_steps == 20_000
    offline = ("bear", "halfcheetah")
    assert paper[offline].experiment.protocol.online_steps == quick[offline].experiment.protocol.online_steps == 0
    assert "dataset_steps" not in {override.name for override in quick[key].experiment.overrides}


def test_the_ablations_are_the_settings_they_name() -> None:
    cells = {
        c.entry.name: c.experiment.cfg for c in planned(plans.load("awr-fig4-ablations"), "paper", (0,), ["env=ant"])
    }
    assert (cells["full"].on_policy, cells["full"].baseline, cells["full"].td_lambda) == (False, True, 0.95)
    assert (cells["on-policy"].on_policy, cells["on-policy"].replay_size) == (True, None)
    assert (cells["no-baseline"].baseline, cells["monte-carlo"].td_lambda) == (False, 1.0)
    sizes = planned(plans.load("awr-fig4-buffer"), "quick", (0,))
    assert [c.experiment.cfg.replay_size for c in sizes] == [5000, 20_000, 50_000, 100_000, 500_000]
    assert not any(c.experiment.needs.offline_data for c in sizes)


def test_only_leaves_what_it_names(toy: str) -> None:
    plan = plans.load("awac-fig3-dexterous")
    cells = planned(plan, "quick", (0,), ["algo=awac,sac,env=pen-binary"])
    assert [c.entry.cell for c in cells] == ["awac on pen-binary", "sac on pen-binary"]
    assert len(planned(plan, "quick", (0,), ["env=pen-binary", "env=door-binary"])) == 20
    assert len(planned(plans.load("awac-fig8-d4rl"), "quick", (0,), ["data=random,expert,algo=bear"])) == 6
    assert [c.entry.name for c in planned(plans.load(toy), "quick", (0,), ["name=warm,algo=awac"])] == ["warm"]


@pytest.mark.parametrize(
    ("only", "message"),
    [
        ("algo=awak", "--only algo=awak: not in awac-fig3-dexterous; did you mean 'awac'?"),
        ("awac", "--only awac: write key=value with a key of algo, env, data, name"),
        ("task=pen-binary", "write key=value with a key of"),
        (f"data={DEFAULT}s", "did you mean 'default'?"),
    ],
)
def test_only_refuses_what_is_not_there(only: str, message: str) -> None:
    with pytest.raises(SettingError, match=message.replace("?", r"\?")):
        planned(plans.load("awac-fig3-dexterous"), "quick", (0,), [only])


def test_a_plan_of_your_own(toy: str) -> None:
    plan = plans.load(toy)
    assert (plan.name, plan.seeds, plan.metric) == ("toy", 2, "return")
    sizes = tuple(Departure(Override(name, str(value), reason="toy"), True) for name, value in toy_run.SIZES.items())
    warm = (*sizes, Departure(Override("temperature", "4", reason="another"), False))
    assert plan.entries[2] == Entry("awac", toy_run.TASK.id, toy_run.DATA, "paper", "warm", warm)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("title =", "titel ="), "unknown key 'titel'; did you mean 'title'?"),
        (('title = "A toy"', ""), "the file: 'title' is missing"),
        (("algos = [", "algos = 3 # ["), "algos: a list is needed, not 3"),
        (("value = 2,", "value = 0,"), "seeds: value: a whole number from 1 on is needed, not 0"),
        (('source = "a paper"', 'sauce = "a paper"'), "set.temperature has an unknown key 'sauce'"),
        (("value = 0.25, ", ""), "set.temperature: 'value' is missing"),
        (("[[grid]]", "[[grid"), "not readable as TOML"),
        (('"awac", "bc"', '"awac", "awac"'), "is there twice"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path: Path, bench: Bench, change: tuple[str, str], message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(TOY.replace(*change, 1))
    said = bench("suite", "run", str(path), "--out", str(tmp_path / "runs"))
    assert said.code == 2
    assert message in said.err
    assert said.err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_a_setting_that_no_method_has_is_no_cell(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(TOY.replace("temperature", "temprature"))
    with toy_run.registered():
        cells = planned(plans.load(str(path)), "quick", (0,))
    assert all("unknown setting 'temprature'" in cell.why_not for cell in cells[:3])


def test_an_unknown_suite_names_the_nearest(bench: Bench) -> None:
    said = bench("suite", "show", "awac-fig3")
    assert said.code == 2
    assert "unknown suite 'awac-fig3'; did you mean 'awac-fig" in said.err


def test_list_and_show(bench: Bench) -> None:
    rows = {row["suite"]: row for row in json.loads(bench("suite", "list", "--json").out)}
    assert rows["awac-fig3-dexterous"]["cells"] == 30
    assert json.loads(bench("list", "suites", "--json").out) == list(rows.values())
    said = bench("suite", "show", "awac-fig8-d4rl", "--json")
    assert "AWAC Figure 8" in said.err
    row = next(r for r in json.loads(said.out) if r["algo"] == "bear")
    assert "online_steps=0 (AWAC Figure 8: BEAR is trained offline)" in row["departures"]


def test_run_leaves_out_the_impossible_and_skips_the_finished(
    toy: str, tmp_path: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the processes would run is run here, by the same words."""
    commands: list[list[str]] = []

    def run_all(cells: list[suite.launch.processes.Command], **_: object) -> dict[str, int]:
        commands.extend(list(cell.command)[4:] for cell in cells)
        return {cell.name: 0 for cell in cells}

    monkeypatch.setattr("suite.launch.side_by_side.run_all", run_all)
    out = tmp_path / "runs"
    words = ("suite", "run", toy, "--out", str(out), "--device", "cpu", "--threads", "1", "--workers", "0")
    with toy_run.registered():
        said = bench(*words)
        assert said.code == 0
        assert f"left out, nothing-like-it on {toy_run.TASK.id}, {toy_run.DATA}, warm: unknown algorithm" in said.err
        assert [w[w.index("--algo") + 1] for w in commands] == ["awac", "bc", "awac"]
        for command in commands[1:]:
            assert bench(*command).code == 0
        said = bench(*words)
        assert "toy: 3 cells, 2 finished, 1 to run" in said.err
        assert len(commands) == 4
        states = [row["state"] for row in json.loads(bench("suite", "status", toy, "--out", str(out), "--json").out)]
    assert states[:3] == ["missing", "finished", "finished"]
    warm = next(read_run(p.parent) for p in out.rglob("run.json") if p.parent.name.startswith("warm-"))
    assert warm.run["settings"]["temperature"] == {"value": 4.0, "source": "--set: another"}


def test_a_broken_cell_does_not_hide_the_others(toy: str, tmp_path: Path, bench: Bench) -> None:
    with toy_run.registered():
        arguments = ("suite", "status", toy, "--out", str(tmp_path), "--profile", "smoke", "--json")
        broken = Path(json.loads(bench(*arguments).out)[1]["folder"])
        broken.mkdir(parents=True)
        (broken / "run.json").write_text("{}")
        (broken / "status.json").write_text('{"state": 5}')
        said = bench(*arguments)
    states = [row["state"].partition(":")[0] for row in json.loads(said.out)]
    assert states == ["missing", "broken", "missing", "not possible"]
    assert "status.json: state: a text of one line is needed, not 5" in json.loads(said.out)[1]["state"]


@pytest.mark.slow
def test_status_and_dry_run(toy: str, tmp_path: Path, bench: Bench) -> None:
    with toy_run.registered():
        rows = json.loads(bench("suite", "status", toy, "--out", str(tmp_path), "--profile", "smoke", "--json").out)
        assert [row["state"].partition(":")[0] for row in rows] == ["missing", "missing", "missing", "not possible"]
        said = bench(
            *("suite", "run", toy, "--out", str(tmp_path)),
            *("--dry-run", "--profile", "smoke", "--device", "cpu", "--only", "name=warm"),
            *("--threads", "3"),
        )
        lines = [shlex.split(line) for line in said.out.splitlines() if line.startswith("bench ")]
        assert len(lines) == 1
        assert "temperature=4 # another" in lines[0]
        assert lines[0][lines[0].index("--name") + 1] == "warm"
        assert shlex.join(lines[0]).endswith("--device cpu --threads 3"), "it computes as asked here"
        assert "together about" in said.err
    assert not list(tmp_path.rglob("run.json"))


def test_the_printed_command_is_the_planned_cell(toy: str) -> None:
    """What a plan resolves to and what its `bench run` line resolves to is one run folder."""
    for cell in planned(plans.load("awr-fig4-ablations"), "quick", parse_seeds("3"), ["env=hopper"]):
        words = cell.experiment.request.words()
        options = {flag.removeprefix("--"): word for flag, word in itertools.pairwise(words) if flag != "--set"}
        said = {name: options[name] for name in ("algo", "env", "seeds", "profile", "name", "preset")}
        sets = [word for flag, word in itertools.pairwise(words) if flag == "--set"]
        (again,) = resolve_all(Request.parse(**said, dataset=options.get("dataset"), set_=sets))
        assert (again.hash, again.name) == (cell.experiment.hash, cell.experiment.name)


def test_every_method_of_a_plan_is_registered() -> None:
    for name in plans.names():
        assert {e.algo for e in plans.load(name).entries} <= set(algos.names())


def test_what_was_run_is_what_is_reported(toy: str, tmp_path: Path, bench: Bench) -> None:
    """Also with another profile and fewer seeds than planned, and none of it named again."""
    out = str(tmp_path / "runs")
    with toy_run.registered():
        options = ("--profile", "smoke", "--seeds", "1", "--out", out, "--only", "algo=bc")
        (cell,) = planned(plans.load(toy), "smoke", (0,), ["algo=bc"])
        said = bench(*cell.experiment.request.words(), "--out", out, "--threads", "1", "--workers", "0")
        assert said.code == 0, said.err
        assert "1 cells, 1 finished, 0 to run" in bench("suite", "run", toy, *options).err
        said = bench("suite", "status", toy, "--out", out, "--json")
        rows = {row["algo"]: (row["state"], row["seeds"]) for row in json.loads(said.out) if row["name"] == "-"}
        assert rows == {"awac": ("missing", "0 of 2"), "bc": ("finished", "1 of 2")}
        assert "profile smoke, seeds 2: 2 missing, 1 finished" in said.err
        assert "1 with fewer seeds than planned so far" in said.err
        exact = json.loads(bench("suite", "status", toy, "--out", out, "--seeds", "2", "--json").out)
        assert {row["state"].partition(":")[0] for row in exact} == {"missing", "not possible"}
        said = bench("report", out, "--suite", toy, "--profile", "quick")
        assert (said.code, "were run with --profile smoke" in said.err) == (2, True), said.err
        said = bench("report", out, "--suite", toy)
        assert said.code == 0, said.err
