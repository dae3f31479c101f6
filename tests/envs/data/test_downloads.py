"""Downloads: complete, checked and resumed, whatever the server does."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from file_server import Site, serving

from envs.data import downloads
from envs.errors import DatasetError

CONTENT = bytes(range(256)) * 400  # 102,400 bytes
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(Site({"/a.hdf5": CONTENT})) as running:
        yield running


def get(site: Site, folder: Path, said: list[str] | None = None, known: str | None = None) -> Path:
    say = (said if said is not None else []).append
    return downloads.fetch(folder / "a.hdf5", [f"{site.address}/a.hdf5"], say, known)


def files(folder: Path) -> set[str]:
    return {p.name for p in folder.iterdir()} - {"a.hdf5.lock"}


def test_a_file_arrives_whole_and_alone(site: Site, tmp_path: Path) -> None:
    assert get(site, tmp_path / "deep" / "er").read_bytes() == CONTENT
    assert files(tmp_path / "deep" / "er") == {"a.hdf5"}
    get(site, tmp_path / "deep" / "er")  # it is there
    assert len(site.requests) == 1


def test_long_downloads_say_how_far_they_are(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    get(site, tmp_path / "quick", said)
    assert said == []
    monkeypatch.setattr(downloads, "REPORT_SECONDS", -1.0)
    get(site, tmp_path / "slow", said)
    assert said == [f"{site.address}/a.hdf5: 0.1 of 0.1 MB"]


def test_what_breaks_off_is_resumed_where_it_broke_off(site: Site, tmp_path: Path) -> None:
    site.break_after = [50_000, 20_000]
    said: list[str] = []
    assert get(site, tmp_path, said).read_bytes() == CONTENT
    assert [r for _, r in site.requests] == [None, "bytes=50000-", "bytes=70000-"]
    assert sum("broke off" in line for line in said) == 2
    assert files(tmp_path) == {"a.hdf5"}


def test_a_later_command_goes_on_where_an_earlier_one_was_cut_off(site: Site, tmp_path: Path) -> None:
    site.break_after = [30_000, 0]
    with pytest.raises(DatasetError, match=r"30000 of 102400 bytes came; the next attempt goes on from"):
        get(site, tmp_path)
    assert files(tmp_path) == {"a.hdf5.part", "a.hdf5.part.json"}
    assert get(site, tmp_path).read_bytes() == CONTENT
    assert site.requests[-1][1] == "bytes=30000-"


def test_a_server_without_ranges_starts_anew(site: Site, tmp_path: Path) -> None:
    site.ranges, site.break_after = False, [50_000]
    assert get(site, tmp_path).read_bytes() == CONTENT
    assert site.requests[-1][1] == "bytes=50000-"


def test_a_file_that_changed_meanwhile_is_not_patched_together(site: Site, tmp_path: Path) -> None:
    site.break_after = [50_000, 0]
    with pytest.raises(DatasetError):
        get(site, tmp_path)
    site.files["/a.hdf5"], site.version = CONTENT[::-1], '"2"'
    assert get(site, tmp_path).read_bytes() == CONTENT[::-1]
    part = tmp_path / "b" / "a.hdf5.part"
    site.break_after = [50_000, 0]
    with pytest.raises(DatasetError):
        get(site, part.parent)
    site.files["/a.hdf5"] = b"short"  # the rest asked for does not exist
    assert get(site, part.parent).read_bytes() == b"short"


def test_the_next_mirror_is_tried_and_all_reasons_are_given(site: Site, tmp_path: Path) -> None:
    with serving(Site({})) as empty:
        urls = [f"{empty.address}/a.hdf5", f"{site.address}/a.hdf5"]
        assert downloads.fetch(tmp_path / "a.hdf5", urls, print).read_bytes() == CONTENT
        with pytest.raises(DatasetError) as caught:
            downloads.fetch(tmp_path / "b.hdf5", [f"{empty.address}/b", "http://127.0.0.1:1/b", "nonsense"], print)
    for reason in (f"{empty.address}/b: 404 Not Found", "http://127.0.0.1:1/b: ", "nonsense: unknown url type"):
        assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wrong_checksum_is_refused_and_the_file_not_kept(site: Site, tmp_path: Path) -> None:
    assert get(site, tmp_path / "right", known=SHA).exists()
    with pytest.raises(DatasetError, match=f"SHA-256 is {SHA[:16]}..., {'0' * 16}... was expected"):
        get(site, tmp_path / "wrong", known="0" * 64)
    assert files(tmp_path / "wrong") == set()


def test_a_first_checksum_is_remembered_and_holds_ever_after(site: Site, tmp_path: Path) -> None:
    path, said = get(site, tmp_path), list[str]()
    assert downloads.verify(path, said.append) == SHA
    assert said == [f"a.hdf5: first seen, with SHA-256 {SHA[:16]}...; remembered in {tmp_path / 'sha256.json'}"]
    assert json.loads((tmp_path / "sha256.json").read_text()) == {"a.hdf5": SHA}
    downloads.verify(path, said.append)
    assert len(said) == 1
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(DatasetError, match=r"a\.hdf5: SHA-256 is .* was expected; delete it to fetch it again"):
        downloads.verify(path, said.append)
    path.unlink()
    site.files["/a.hdf5"] = b"other"
    with pytest.raises(DatasetError, match="was expected"):  # also where it is fetched anew
        get(site, tmp_path)
    assert files(tmp_path) == {"sha256.json"}


def test_several_processes_fetch_a_file_once(site: Site, tmp_path: Path) -> None:
    threads = [threading.Thread(target=get, args=(site, tmp_path)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "a.hdf5").read_bytes() == CONTENT
    assert len(site.requests) == 1


def test_a_folder_that_cannot_be_written_to_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match=r"cannot write .*a\.hdf5: "):
        downloads.fetch(tmp_path / "file" / "a.hdf5", ["http://127.0.0.1:1/a"], print)


@pytest.mark.parametrize(("value", "off"), [("1", True), ("yes", True), ("0", False), ("", False)])
def test_the_network_can_be_forbidden(value: str, off: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_OFFLINE", value)
    assert downloads.offline() == off
