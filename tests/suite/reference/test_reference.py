"""Reference results: what is packed is read back, made again it is the same, and nothing damaged passes."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import toy_run
from command import Bench

from suite.experiment.profiles import PROFILES
from suite.experiment.request import Override, Request
from suite.experiment.resolve import resolve
from suite.record.folders import RecordError, facts_checksum, read_run
from suite.record.reference import SHIPPED, pack, read
from suite.reference import update
from suite.reference.again import outdated, request_of
from suite.train.cell import run_cell
from suite.train.means import Means


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two finished runs on the toy task."""
    out = tmp_path_factory.mktemp("runs")
    with toy_run.registered():
        for algo in ("awac", "bc"):
            run_cell(toy_run.experiment(algo), Means(out, toy_run.ONE_THREAD))
        yield out


@pytest.fixture
def packed(runs: Path, tmp_path: Path, bench: Bench) -> Path:
    """They, packed by the command."""
    folder = tmp_path / "mine"
    said = bench("reference", "update", str(runs), "--folder", str(folder))
    assert said.code == 0, said.err
    assert said.err == "2 runs: 0 were there, 0 of them replaced, 2 new\n"
    return folder


def test_what_is_packed_is_read_back_to_the_last_digit(runs: Path, packed: Path) -> None:
    found = read(packed)
    assert [one.run.algo for one in found] == ["awac", "bc"]
    for one in found:
        (folder,) = (runs / one.run.task / one.run.algo).iterdir()
        whole = read_run(folder)
        assert one.run.columns == whole.columns
        assert {**one.run.run, "command": whole.run["command"]} == whole.run
        assert one.seconds == pytest.approx(sum(whole.status["seconds"].values()))


def test_equal_runs_give_equal_bytes_and_a_second_update_changes_nothing(
    runs: Path, packed: Path, tmp_path: Path, bench: Bench
) -> None:
    before = {file.name: file.read_bytes() for file in packed.iterdir()}
    assert bench("reference", "update", str(runs), "--folder", str(packed)).err.startswith("2 runs: 2 were there, 0 of")
    pack(read(packed)[::-1], tmp_path / "again")
    for folder in (packed, tmp_path / "again"):
        assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_a_result_that_moved_is_replaced_only_when_asked(
    runs: Path, packed: Path, tmp_path: Path, bench: Bench
) -> None:
    found = read(packed)
    moved = found[0].run.columns
    changed = replace(moved, value=type(moved.value)("d", [0.5] * len(moved)))
    pack([replace(found[0], run=replace(found[0].run, columns=changed)), found[1]], packed)
    said = bench("reference", "update", str(runs), "--folder", str(packed))
    assert said.code == 2
    assert "not those of the reference" in said.err
    assert "--anew" in said.err
    assert bench("reference", "update", str(runs), "--folder", str(packed), "--anew").code == 0
    assert read(packed)[0].run.columns == moved


def test_outdated_results_go_with_anew(runs: Path, packed: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update, "outdated", lambda one: "is of yesterday" * (one.run.algo == "bc"))
    said = bench("reference", "update", str(runs), "--folder", str(packed))
    assert said.code == 0, said.err
    assert len(read(packed)) == 2, "they stay where nobody asked"
    said = bench("reference", "update", str(runs), "--folder", str(packed), "--anew")
    assert said.code == 0, said.err
    assert said.err.count("/bc/") == said.err.count("is of yesterday") == 2
    assert [one.run.algo for one in read(packed)] == ["awac"]


def test_a_result_is_outdated_where_the_recipe_gives_another_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for algo, depends in (("bc", True), ("sac-scratch", False)):
        e = resolve(Request((algo,), ("point-reach",), (0,), "smoke"))
        folder = run_cell(e, Means(tmp_path, toy_run.ONE_THREAD))
        (tmp_path / algo).mkdir()
        update.update([folder], tmp_path / algo)
        (one,) = read(tmp_path / algo)
        assert not outdated(one)
        with monkeypatch.context() as patch:
            patch.setattr("suite.recipes.build._FORMAT", 99)
            assert ("made otherwise" in outdated(one)) == depends


def test_a_result_is_outdated_where_a_default_has_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was set by hand is asked for again, and no default."""
    request = Request(("bc",), ("point-reach",), (0,), "smoke", overrides=(Override("critic_lr", "0.25"),))
    run_cell(resolve(request), Means(tmp_path, toy_run.ONE_THREAD))
    (tmp_path / "packed").mkdir()
    update.update([tmp_path], tmp_path / "packed")
    (one,) = read(tmp_path / "packed")
    monkeypatch.setitem(PROFILES["smoke"], "critic_lr", 0.5)
    assert not outdated(one)
    monkeypatch.setitem(PROFILES["smoke"], "tau", 0.125)
    assert outdated(one) == "was run with what is no default any more: tau=0.005"


def test_a_run_with_more_seeds_stands_for_one_with_fewer(tmp_path: Path, bench: Bench) -> None:
    for seeds, more in (((0,), ()), ((0, 1), ()), ((0,), (Override("tau", "0.5"),))):
        run_cell(
            resolve(Request(("bc",), ("point-reach",), seeds, "smoke", overrides=more)),
            Means(tmp_path / "runs", toy_run.ONE_THREAD),
        )
    said = bench("reference", "update", "runs", "--folder", "mine")
    assert said.code == 0, said.err
    assert "has seeds that another run has as well, and more" in said.err
    assert "2 runs: 0 were there" in said.err
    assert sorted((one.run.seeds, bool(one.departures)) for one in read(tmp_path / "mine")) == [
        ((0,), True),
        ((0, 1), False),
    ]


def test_unfinished_runs_are_left_out_by_name(runs: Path, tmp_path: Path, bench: Bench) -> None:
    shutil.copytree(runs, tmp_path / "half")
    (status,) = (tmp_path / "half").glob("*/bc/*/status.json")
    status.write_text(json.dumps({"state": "stopped"}))
    said = bench("reference", "update", "half", "--folder", "packed")
    assert f"left out: {status.parent.relative_to(tmp_path)} is stopped" in said.err
    assert [one.run.algo for one in read(tmp_path / "packed")] == ["awac"]


@pytest.mark.parametrize(
    ("file", "edit", "says"),
    [
        ("smoke.csv.gz", lambda data: data.replace(b"success,0", b"success,1", 1), "its checksum says"),
        ("smoke.csv.gz", None, "missing beside its twin"),
        ("smoke.json.gz", lambda data: data.replace(b'"critic_lr"', b'"critic_lx"', 1), "checksum"),
        ("smoke.json.gz", lambda data: b"[]", "an object is needed"),
        ("smoke.json.gz", lambda data: data.replace(b'"command"', b'"kommand"'), "'command' is missing"),
    ],
)
def test_damage_is_named_in_a_line(packed: Path, file: str, edit: object, says: str) -> None:
    path = packed / file
    if edit is None:
        path.unlink()
    else:
        path.write_bytes(gzip.compress(edit(gzip.decompress(path.read_bytes()))))  # type: ignore[operator]
    with pytest.raises(RecordError, match=says) as caught:
        read(packed)
    assert "\n" not in str(caught.value)


def test_what_is_no_gzip_and_an_empty_folder_are_named(packed: Path, tmp_path: Path) -> None:
    (packed / "smoke.csv.gz").write_bytes((packed / "smoke.csv.gz").read_bytes()[:-20])
    with pytest.raises(RecordError, match=r"smoke\.csv\.gz: not gzip as it was written"):
        read(packed)
    with pytest.raises(RecordError, match="holds no reference results"):
        read(tmp_path)


def test_a_check_runs_cells_again_and_finds_them_equal(packed: Path, bench: Bench) -> None:
    dry = bench("reference", "check", "--folder", str(packed), "--cells", "9", "--dry-run")
    assert dry.out.count("bench run --algo ") == 2
    said = bench("reference", "check", "--folder", str(packed), "--only", "algo=awac", "--workers", "0", "--json")
    assert said.code == 0, said.err
    rows = json.loads(said.out[said.out.index("[") :])
    assert [(row["algo"], row["score"], row["verdict"]) for row in rows] == [
        ("awac", "switch", "equal"),
        ("awac", "final", "equal"),
    ]


def test_a_check_finds_a_rerun_whose_settings_are_more_than_the_cells(packed: Path, bench: Bench) -> None:
    """A setting that came after the cell was made: today's runs record it, and their folders' names hold it."""
    found = [one for one in read(packed) if one.run.algo == "bc"]
    older = {name: s for name, s in found[0].run.run["settings"].items() if name != "activation"}
    assert len(older) == len(found[0].run.run["settings"]) - 1
    run = {**found[0].run.run, "settings": older, "hash": "0" * len(found[0].run.run["hash"])}
    run["checksum"] = facts_checksum(run)
    path = found[0].run.path.with_name(f"{run['name']}-{run['hash']}")
    pack([replace(found[0], run=replace(found[0].run, path=path, run=run))], packed)
    assert "activation" not in read(packed)[0].run.run["settings"]
    said = bench("reference", "check", "--folder", str(packed), "--only", "algo=bc", "--workers", "0", "--json")
    assert said.code == 0, said.err
    rows = json.loads(said.out[said.out.index("[") :])
    assert {row["verdict"] for row in rows} == {"equal"}
    assert len(rows) > 0


def test_a_check_finds_a_result_that_does_not_come_again(packed: Path, bench: Bench) -> None:
    """Scores that differ by one everywhere, whatever their spread."""
    found = [one for one in read(packed) if one.run.algo == "awac"]
    columns = found[0].run.columns
    # seeds that differ a little: without any spread two seeds would prove nothing
    rows = zip(columns.metric, columns.value, columns.seed, strict=True)
    values = [v - 1 - 1e-6 * seed if metric == "success" else v for metric, v, seed in rows]
    shifted = replace(columns, value=type(columns.value)("d", values))
    pack([replace(found[0], run=replace(found[0].run, columns=shifted))], packed)
    said = bench("reference", "check", "--folder", str(packed), "--only", "algo=awac", "--workers", "0", "--json")
    assert {row["verdict"] for row in json.loads(said.out[said.out.index("[") :])} == {"differs"}
    assert said.code == 1


def test_an_unknown_choice_is_one_line(packed: Path, bench: Bench) -> None:
    said = bench("reference", "list", "--folder", str(packed), "--only", "algo=awak")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("bench: --only algo=awak: no reference result is of those")


@pytest.mark.skipif(not any(SHIPPED.glob("*.json.gz")), reason="no results come with the package yet")
def test_what_ships_is_small_and_is_what_the_defaults_still_say() -> None:
    """A default that moves leaves its reference results behind: they are made anew, or this fails."""
    assert sum(file.stat().st_size for file in SHIPPED.iterdir()) < 5e6
    for one in read():
        request, _ = request_of(one)
        now = {name: setting["value"] for name, setting in resolve(request).settings.items()}
        assert now == {name: setting["value"] for name, setting in one.run.run["settings"].items()}, one.key
        assert resolve(request).hash == one.run.run["hash"], one.key
        by_hand = [str(override) for override in request.overrides]
        assert len(by_hand) == sum(s["source"].startswith("--set") for s in one.run.run["settings"].values()), one.key
        assert "/" not in one.command.replace("d4rl/", ""), "no folder of a machine"
        assert not outdated(one), one.key
