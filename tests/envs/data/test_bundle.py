"""Bundles: what arrives is what was packed, and nothing of a bundle is stored unless all of it is sound."""

from __future__ import annotations

import json
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command import Bench
from toy_data import Place, foreign, isolated, plain, some_episodes, toy

from envs.data import bundle, datasets, minari_store
from envs.errors import DatasetError
from envs.tasks import TASKS

IDS = ("lab/toy-v0", "awac-bench/toy-binary/other-v3", "elsewhere-v1")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setitem(TASKS, "toy-binary-v0", toy())
    yield from isolated(tmp_path, monkeypatch)


@pytest.fixture
def packed(tmp_path: Path, place: Place) -> Path:
    """A bundle of three datasets, one of them nobody's task, and an empty store to add it to."""
    datasets.store(toy(), IDS[0], some_episodes(), {"a": 1})
    datasets.store(toy(), IDS[1], some_episodes()[:2], {})
    foreign(IDS[2], [plain(), plain(5)])
    path = tmp_path / "b" / "bundle.zip"
    assert bundle.write(IDS, path) == path.stat().st_size
    place.root.rename(tmp_path / "before")
    return path


def test_datasets_arrive_as_they_were(packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bundle.add(packed) == dict.fromkeys(IDS, True)
    arrived = [datasets.load(toy(), i).info for i in IDS]
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "before"))
    assert arrived == [datasets.load(toy(), i).info for i in IDS]
    assert [p.name for p in packed.parent.iterdir()] == ["bundle.zip"]


def test_what_is_there_already_stays_and_other_content_is_refused(packed: Path, place: Place) -> None:
    datasets.store(toy(), IDS[0], some_episodes(), {"another": "recipe"})
    assert bundle.add(packed) == {IDS[0]: False, IDS[1]: True, IDS[2]: True}
    assert set(bundle.add(packed).values()) == {False}
    shutil.rmtree(place.root)
    datasets.store(toy(), IDS[1], some_episodes(), {})
    with pytest.raises(DatasetError, match=f"{IDS[1]} is in the store already with other content.*nothing was added"):
        bundle.add(packed)
    assert [d.id for d in datasets.local_datasets()] == [IDS[1]]


def test_only_sound_datasets_are_packed(packed: Path, tmp_path: Path) -> None:
    bundle.add(packed)
    with pytest.raises(DatasetError, match=r"bundle\.zip is there already"):
        bundle.write(IDS[:1], packed)
    with pytest.raises(DatasetError, match="dataset lab/none-v0 is not in"):
        bundle.write(["lab/none-v0"], tmp_path / "c.zip")
    file = minari_store.folder(IDS[0]) / "data" / "main_data.hdf5"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(DatasetError, match="is damaged"):
        bundle.write(IDS, tmp_path / "c.zip")
    assert not (tmp_path / "c.zip").exists()


# bundles that were broken or tampered with

Members = dict[str, bytes]


def manifest(change: Callable[[Any], None]) -> Callable[[Members], None]:
    """A change of the manifest."""

    def apply(members: Members) -> None:
        content = json.loads(members["manifest.json"])
        change(content)
        members["manifest.json"] = json.dumps(content).encode()

    return apply


def renamed(old: str, new: str) -> Callable[[Members], None]:
    """A file called otherwise, in the manifest too."""

    def apply(members: Members) -> None:
        members[f"{IDS[1]}/{new}"] = members.pop(f"{IDS[1]}/{old}")
        manifest(lambda m: m["datasets"][1]["files"].update({new: m["datasets"][1]["files"].pop(old)}))(members)

    return apply


def flip(members: Members) -> None:
    name = f"{IDS[1]}/data/main_data.hdf5"
    members[name] = members[name][:3000] + bytes([members[name][3000] ^ 1]) + members[name][3001:]


def other_fingerprint(content: Any) -> None:
    content["datasets"][1]["fingerprint"] = "0" * 12


DATA = "data/main_data.hdf5"
TAMPERED: dict[str, tuple[Callable[[Members], None], str]] = {
    "no manifest": (lambda m: m.pop("manifest.json"), "manifest.json: .*`bench data bundle` writes such files"),
    "a manifest that is no JSON": (lambda m: m.update({"manifest.json": b"{"}), "manifest.json: "),
    "a manifest of another kind": (lambda m: m.update({"manifest.json": b"[1]"}), "manifest.json: "),
    "another format": (manifest(lambda m: m.update(format=9)), "format 9; this version reads 1"),
    "an id that is none": (
        manifest(lambda m: m["datasets"][0].update(id="../up-v0")),
        "'../up-v0' is not a dataset id",
    ),
    "a path upwards": (renamed(DATA, "../../../../evil"), "would be written outside its dataset; nothing was unpacked"),
    "an absolute path": (lambda m: m.update({"/evil": b""}), "'/evil' would be written outside"),
    "a path of another system": (lambda m: m.update({"a\\..\\evil": b""}), "would be written outside"),
    "a byte that changed": (flip, "is not what manifest.json says"),
    "a file cut short": (lambda m: m.update({f"{IDS[1]}/{DATA}": b"short"}), "has 5 bytes, manifest.json says"),
    "a file too many": (lambda m: m.update({f"{IDS[1]}/data/more": b""}), "differ in .*data/more"),
    "a file too few": (lambda m: m.pop(f"{IDS[1]}/{DATA}"), "differ in .*main_data.hdf5"),
    "another fingerprint": (manifest(other_fingerprint), "its metadata name another dataset; nothing was added"),
    "data that do not fit their metadata": (renamed("data/metadata.json", "data/meta.json"), "metadata.json"),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_a_bundle_that_is_not_as_it_says_adds_nothing(how: str, packed: Path, place: Place, tmp_path: Path) -> None:
    change, complaint = TAMPERED[how]
    with zipfile.ZipFile(packed) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    path = tmp_path / "tampered.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo("x")
            info.filename = name  # as a program without scruples writes it
            archive.writestr(info, content)
    with pytest.raises(DatasetError, match=complaint) as caught:
        bundle.add(path)
    assert "\n" not in str(caught.value)
    assert not list(place.root.rglob("*"))
    assert not list(tmp_path.rglob("evil"))


def test_links_and_bombs_and_damage_are_refused(packed: Path, place: Place, tmp_path: Path) -> None:
    name = f"{IDS[1]}/data/metadata.json"
    with zipfile.ZipFile(packed) as archive:
        members = {n: archive.read(n) for n in archive.namelist()}
    link = zipfile.ZipInfo(name)
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as archive:
        for n, content in members.items():
            archive.writestr(link if n == name else n, content)
    manifest(lambda m: m["datasets"][1]["files"]["data/metadata.json"].update(size=7 * 10**7))(members)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for n, content in members.items():
            archive.writestr(n, bytes(7 * 10**7) if n == name else content)
    (tmp_path / "cut.zip").write_bytes(packed.read_bytes()[:-30])
    (tmp_path / "odd.zip").write_bytes(b"no zip at all")
    for file, complaint in {
        "link": "is a link",
        "bomb": "nothing was read",
        "cut": "damaged zip",
        "odd": "damaged zip",
    }.items():
        with pytest.raises(DatasetError, match=complaint):
            bundle.add(tmp_path / f"{file}.zip")
    with pytest.raises(DatasetError, match="No such file"):
        bundle.add(tmp_path / "none.zip")
    assert not place.root.exists()


def test_where_one_cannot_be_published_none_is(packed: Path, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    publish = bundle.minari_write.publish

    def full(staging: Path, dataset_id: str) -> None:
        if dataset_id == IDS[2]:
            raise OSError(28, "No space left on device")
        publish(staging, dataset_id)

    monkeypatch.setattr(bundle.minari_write, "publish", full)
    with pytest.raises(DatasetError, match="No space left on device"):
        bundle.add(packed)
    assert datasets.local_datasets() == []


def test_bundles_from_the_command_line(packed: Path, bench: Bench) -> None:
    said = bench("data", "add", str(packed))
    assert (said.code, said.out.split("\n")[0]) == (0, f"{IDS[0]}  stored")
    assert bench("data", "add", str(packed)).out.split("\n")[0] == f"{IDS[0]}  there already"
    assert bench("data", "bundle", *IDS[:2], "--out", "two.zip").code == 0
    assert zipfile.ZipFile("two.zip").namelist()[0] == "manifest.json"
