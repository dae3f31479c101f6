"""The Minari store: nothing half written or damaged is read, and nothing is waited for in vain."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import minari
import numpy as np
import pytest
from toy_data import ID, Place, fake_download, foreign, isolated, message, plain, some_episodes, toy

from envs.data import datasets, minari_store, minari_write
from envs.data.datasets import Episode
from envs.errors import DatasetError
from envs.task import MixRecipe


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    yield from isolated(tmp_path, monkeypatch)


@pytest.fixture
def episodes() -> list[Episode]:
    return some_episodes()


# writing: complete or not at all


@pytest.mark.parametrize("dataset_id", ["toy/no-version", "toy", "../up-v0", "lab//toy/b-v0", "white space-v0", ""])
def test_an_id_minari_cannot_hold_is_refused_before_anything_is_written(
    dataset_id: str, place: Place, episodes: list[Episode]
) -> None:
    with pytest.raises(DatasetError, match="not a dataset id"):
        datasets.store(toy(), dataset_id, episodes, {})
    assert not place.root.exists()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"obs": np.zeros((10, 4), np.float32)}, r"observations have shape \[10, 4\], .* needs \[rows, 3\]"),
        ({"action": np.zeros((9, 5), np.float32)}, r"actions have shape \[9, 5\], .* needs \[rows, 2\]"),
        ({"obs": np.zeros((9, 3), np.float32)}, "9 observations and 9 actions"),
        ({"obs": np.full((10, 3), np.nan, np.float32)}, "observations hold NaN or infinity, first at step 0"),
        ({"action": np.full((9, 2), np.inf, np.float32)}, "actions hold NaN or infinity, first at step 0"),
    ],
)
def test_unfit_episodes_are_not_stored(
    change: dict[str, Any], complaint: str, place: Place, episodes: list[Episode]
) -> None:
    made = [*episodes[1:], dataclasses.replace(episodes[0], **change)]
    with pytest.raises(DatasetError, match=f"episode 3: {complaint}"):
        datasets.store(toy(), ID, made, {})
    assert not place.root.exists()


def test_an_interrupted_store_leaves_nothing(
    place: Place, episodes: list[Episode], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(minari_write.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        datasets.store(toy(), ID, episodes, {})
    assert not place.root.exists(), "nor a store, where there was none"
    assert os.environ["MINARI_DATASETS_PATH"] == str(place.root)


def test_a_killed_store_is_invisible_and_swept_later(place: Place, episodes: list[Episode]) -> None:
    child = os.fork()
    if child == 0:
        minari_write.os.fsync = lambda _: os._exit(9)  # everything written, nothing renamed
        datasets.store(toy(), ID, episodes, {})
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    (left,) = place.root.iterdir()
    assert list(left.rglob("main_data.hdf5"))
    assert minari.list_local_datasets() == {}
    assert datasets.local_datasets() == []
    assert not datasets.exists(ID)
    datasets.store(toy(), ID, episodes, {})
    assert left.exists()  # it might be at work still
    os.utime(left, (0, 0))
    datasets.store(toy(), ID.replace("abc123", "def456"), episodes, {})
    assert not left.exists()
    assert len(minari.list_local_datasets()) == 2


def test_the_slower_of_two_builders_takes_what_is_there(
    place: Place, episodes: list[Episode], monkeypatch: pytest.MonkeyPatch
) -> None:
    write = minari_write._write
    quicker = datasets.fingerprint(episodes)

    def write_late(*args: Any) -> None:
        write(*args)
        monkeypatch.setattr(minari_write, "_write", write)
        datasets.store(toy(), ID, episodes, {"by": "the quicker one"})

    monkeypatch.setattr(minari_write, "_write", write_late)
    data = datasets.store(toy(), ID, episodes[:2], {"by": "the slower one"})
    assert (data.info.fingerprint, data.info.recipe) == (quicker, {"by": "the quicker one"})
    assert [p.name for p in place.root.iterdir()] == ["awac-bench"]
    assert datasets.store(toy(), ID, episodes[:1], {}).info.fingerprint == quicker


def test_a_store_that_cannot_be_written_is_named(place: Place, episodes: list[Episode]) -> None:
    place.root.write_text("a file where the folder should be")
    with pytest.raises(DatasetError, match=r"cannot write dataset .* MINARI_DATASETS_PATH"):
        datasets.store(toy(), ID, episodes, {})


# damage


def test_flipped_bytes_are_detected(episodes: list[Episode]) -> None:
    datasets.store(toy(), ID, episodes, {})
    path = minari_store.folder(ID) / "data" / "main_data.hdf5"
    sound = path.read_bytes()
    for array in (episodes[0].obs, episodes[3].action):
        place = sound.index(array.tobytes()[:24])
        broken = bytearray(sound)
        broken[place] ^= 1
        path.write_bytes(broken)
        complaint = message(toy(), ID)
        assert "is damaged" in complaint
        assert f"delete {minari_store.folder(ID)}" in complaint
    path.write_bytes(sound)
    datasets.load(toy(), ID)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_file_is_detected(share: float, episodes: list[Episode]) -> None:
    datasets.store(toy(), ID, episodes, {})
    path = minari_store.folder(ID) / "data" / "main_data.hdf5"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert "is damaged" in message(toy(), ID)


def test_lost_or_edited_metadata_is_detected(episodes: list[Episode]) -> None:
    datasets.store(toy(), ID, episodes, {})
    path = minari_store.folder(ID) / "data" / "metadata.json"
    sound = json.loads(path.read_text())
    for broken in (
        "{",
        "[]",
        json.dumps({k: v for k, v in sound.items() if k != "total_steps"}),
        json.dumps({k: v for k, v in sound.items() if k != minari_store.OWN}),
        json.dumps({**sound, "total_episodes": 3}),
        json.dumps({**sound, minari_store.OWN: {**sound[minari_store.OWN], "demos": [0]}}),
    ):
        path.write_text(broken)
        assert "is damaged" in message(toy(), ID), broken
    path.unlink()
    assert "is damaged" in message(toy(), ID)


def test_a_missing_episode_of_a_foreign_dataset_is_detected() -> None:
    foreign("lab/toy/short-v0", [plain(), plain()])
    with h5py.File(minari_store.folder("lab/toy/short-v0") / "data" / "main_data.hdf5", "a") as file:
        del file["episode_1"]
    assert "1 episodes where metadata.json says 2" in message(toy(), "lab/toy/short-v0")


# names and fetching


def test_an_unknown_name_brings_the_nearest(episodes: list[Episode]) -> None:
    assert message(toy(), "humna") == "toy-binary-v0 has no dataset 'humna'; did you mean 'human'?"
    assert "known: human, cloned, D4RL/toy/human-v2" in message(toy(), "zzz")
    made_here = toy(expert="point", recipes={"random": MixRecipe((("", 1.0),))})
    assert "known: default, random, human, cloned, D4RL/toy/human-v2" in message(made_here, "zzz")
    datasets.store(toy(), ID, episodes, {})
    assert f"did you mean {ID!r}?" in message(toy(), ID.replace("abc123", "abc12"))


def test_without_the_hub_extra_the_command_is_given_at_once(
    place: Place, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(minari_write.importlib.util, "find_spec", lambda _: None)
    start = time.monotonic()
    complaint = message(toy(), "human")
    assert time.monotonic() - start < 1.0
    for part in (
        "D4RL/toy/human-v2",
        str(place.root),
        "`minari download D4RL/toy/human-v2`",
        "awac-bench[hub]",
    ):
        assert part in complaint
    assert (capfd.readouterr(), place.attempts, place.root.exists()) == (("", ""), [], False)


def test_without_a_network_the_failure_is_quick_and_quiet(
    place: Place, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(minari_write.importlib.util, "find_spec", lambda _: object())
    assert "no network: huggingface.co does not answer" in message(toy(), "human")
    assert len(place.attempts) == 1

    monkeypatch.setattr(minari_write, "NETWORK_SECONDS", 0.1)
    over = threading.Event()

    def hang(*_: Any, **__: Any) -> Any:
        over.wait(20.0)
        raise OSError("too late")

    monkeypatch.setattr(socket, "create_connection", hang)
    start = time.monotonic()
    assert "did you mean 'D4RL/toy/human-v2'?" in message(toy(), "D4RL/toy/humn-v2")
    assert time.monotonic() - start < 1.0
    over.set()
    assert (capfd.readouterr(), place.root.exists()) == (("", ""), False)


@pytest.mark.parametrize(
    ("proxies", "hop"),
    [
        ({}, ("hub.example", 443)),
        ({"https": "http://proxy.example:3128"}, ("proxy.example", 3128)),
        ({"all": "proxy.example:8080"}, ("proxy.example", 8080)),
    ],
)
def test_the_network_is_tried_where_the_first_packet_would_go(
    proxies: dict[str, str], hop: tuple[str, int], place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(minari_write.urllib.request, "getproxies", lambda: proxies)
    monkeypatch.setattr(minari_write.urllib.request, "proxy_bypass", lambda _: False)
    monkeypatch.setattr(minari_write.importlib.util, "find_spec", lambda _: object())
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.example")
    assert f"no network: {hop[0]} does not answer" in message(toy(), "human")
    assert place.attempts == [(hop,)]


def test_our_own_ids_are_never_looked_for_on_the_network(place: Place) -> None:
    assert "`bench data build`" in message(toy(), ID)
    assert place.attempts == []


def test_a_download_arrives_whole_or_not_at_all(
    place: Place, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(minari_write, "_check_reachable", lambda: None)
    monkeypatch.setattr(minari_write.minari, "download_dataset", fake_download([plain()], fail=True))
    assert "(the line was cut)" in message(toy(), "human")
    assert not datasets.exists("D4RL/toy/human-v2")
    assert minari.list_local_datasets() == {}
    monkeypatch.setattr(minari_write.minari, "download_dataset", fake_download([plain()]))
    assert len(datasets.load(toy(), "human").transitions) == 3  # resumed over what the first one left
    assert list(minari.list_local_datasets()) == ["D4RL/toy/human-v2"]
    assert capfd.readouterr().out == ""
    monkeypatch.delattr(minari_write.minari, "download_dataset")
    datasets.load(toy(), "human")  # from the store


# listing


def test_the_listing_reads_metadata_only_and_shows_what_is_broken(place: Place, episodes: list[Episode]) -> None:
    assert datasets.local_datasets() == []
    datasets.store(toy(), ID, episodes, {})
    foreign("lab/other-v1", [plain()])
    for name in ("lab/no-version/data", "lab/no-metadata-v0/data", "lab/garbled-v0/data"):
        (place.root / name).mkdir(parents=True)
    (place.root / "lab/garbled-v0/data/metadata.json").write_text("{")
    shutil.copytree(place.root / "lab/other-v1", place.root / "lab/moved-v1")
    foreign("lab/hollow-v1", [plain()])
    (place.root / "lab/hollow-v1/data/main_data.hdf5").write_bytes(b"")
    found = {d.id: d for d in datasets.local_datasets()}
    own = found[ID]
    assert (own.episodes, own.steps, own.env, own.broken) == (4, 20, "toy-binary-v0", "")
    assert own.size == sum(f.stat().st_size for f in (place.root / ID).rglob("*") if f.is_file())
    broken = {n: d.broken for n, d in found.items() if d.broken}
    assert set(found) - set(broken) == {ID, "lab/other-v1"}
    assert "Minari cannot list its store until" in broken["lab/no-version"]
    assert "is damaged (metadata.json" in broken["lab/no-metadata-v0"]
    assert "is damaged (metadata.json" in broken["lab/garbled-v0"]
    assert "names it 'lab/other-v1'" in broken["lab/moved-v1"]
    assert "main_data.hdf5 is missing or empty" in broken["lab/hollow-v1"]
