"""Runs and datasets on the Hub, against a stand-in of its API: put there, fetched, scored, found by Minari."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import toy_run
from command import Bench
from hub_server import Hub, serving

from envs.data import datasets, minari_store

constants = pytest.importorskip("huggingface_hub.constants")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "BENCH_OFFLINE", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    with serving(Hub()) as made, toy_run.registered():
        monkeypatch.setenv("HF_ENDPOINT", made.address)
        monkeypatch.setattr(constants, "ENDPOINT", made.address)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", made.address + "/{repo_id}/resolve/{revision}/{filename}"
        )
        yield made


def a_run(bench: Bench) -> Path:
    words = ["run", "--algo", "awac", "--env", toy_run.TASK.id, "--seeds", "2", "--dataset", toy_run.DATA]
    said = bench(*words, "--threads", "1", "--workers", "0", *toy_run.options(toy_run.SIZES))
    assert said.code == 0, said.err
    return Path(said.out.strip())


def test_a_run_is_shared_and_scored_elsewhere(hub: Hub, bench: Bench) -> None:
    folder = a_run(bench)
    local = json.loads(bench("eval", "runs", "--episodes", "4", "--workers", "0", "--json").out)
    said = bench("export", "--to", "hub", "--repo", "somebody/toys", "--json")
    assert said.code == 0, said.err
    files = hub.repos["model", "somebody/toys"]
    place = f"{toy_run.TASK.id}/awac/{folder.name}"
    kept = {"run.json", "metrics.csv", "status.json", "policy/policy.json", "policy/seed-0.npz", "policy/seed-1.npz"}
    assert set(files) == {"README.md", ".gitattributes"} & set(files) | {f"{place}/{name}" for name in kept}
    card = files["README.md"].decode()
    assert "bench eval hub:somebody/toys" in card
    assert f"| {folder.name} | 2 |" in card
    shutil.rmtree("runs")
    said = bench("eval", "hub:somebody/toys", "--episodes", "4", "--workers", "0", "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out) == local
    assert hub.private == set()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["eval", "hub:somebody/none"], "hub:somebody/none cannot be fetched: the Hub answers 404; it is not there"),
        (["eval", "hub:somebody"], "'somebody' names no repository of the Hub: write OWNER/NAME"),
        (["export", "--to", "hub"], "--to hub and --repo OWNER/NAME go together"),
        (["export", "--repo", "a/b"], "--to hub and --repo OWNER/NAME go together"),
        (["export", "--to", "hub", "--repo", "a/b", "--seeds", "0"], "runs are shared whole"),
        (["data", "push", "none/x-v0", "--owner", "me"], "dataset none/x-v0 is not in "),
    ],
)
def test_bad_input_is_one_line(words: list[str], message: str, hub: Hub, bench: Bench) -> None:
    said = bench(*words)
    assert (said.code, said.out) == (2, "")
    assert message in said.err
    assert said.err.splitlines()[-1].startswith("bench: ")
    assert not hub.repos


def test_who_may_not_write_is_told_how_to(hub: Hub, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.token = "hf_right"
    a_run(bench)
    said = bench("export", "--to", "hub", "--repo", "somebody/toys")
    assert (said.code, "`hf auth login`, or HF_TOKEN, says who you are" in said.err) == (2, True), said.err
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    said = bench("export", "--to", "hub", "--repo", "somebody/toys", "--private")
    assert said.code == 0, said.err
    assert hub.private == {"somebody/toys"}


def test_offline_nothing_is_asked(hub: Hub, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_OFFLINE", "1")
    assert "BENCH_OFFLINE is set" in bench("eval", "hub:somebody/toys").err


def test_a_dataset_is_pushed_to_where_minari_finds_it(
    hub: Hub, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = datasets.load(toy_run.TASK, toy_run.DATA).info
    said = bench("data", "push", toy_run.DATA, "--owner", "somebody")
    assert said.code == 0, said.err
    files = hub.repos["dataset", "somebody/toys"]
    assert {"point-v0/data/metadata.json", "point-v0/data/main_data.hdf5", "namespace_metadata.json"} <= set(files)
    assert json.loads(files["namespace_metadata.json"])["datasets"] == [toy_run.DATA]
    assert bench("data", "push", toy_run.DATA, "--owner", "somebody").code == 0, "again"
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "another"))
    monkeypatch.setenv("MINARI_REMOTE", "hf://somebody")
    assert not minari_store.exists(toy_run.DATA)
    assert datasets.load(toy_run.TASK, toy_run.DATA).info.fingerprint == before.fingerprint
