"""Clips by name: brought once, each a task from then on."""

from __future__ import annotations

import json
import re
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from asked import resolve
from command import Bench

from envs import plugins, tasks
from envs.errors import MotionError, UnknownTaskError
from envs.motion import library
from envs.motion.clip import read

WALK = Path(library.__file__).parent / "clips" / "walk.txt"


@pytest.fixture(autouse=True)
def motions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENCH_MOTIONS", str(tmp_path / "motions"))
    return tmp_path / "motions"


def clip_file(path: Path, **more: object) -> Path:
    path.write_text(json.dumps({**json.loads(WALK.read_text()), **more}))
    return path


def test_a_clip_that_was_brought_is_a_task(bench: Bench, tmp_path: Path) -> None:
    source = clip_file(tmp_path / "humanoid3d_March_on.txt", Loop="none", LeftJoints=[1])
    said = bench("data", "import-motion", str(source))
    assert said.code == 0
    assert (
        f"{source}: LeftJoints has no effect here\nmarch-on is stored: bench run --env humanoid-imitate-march-on"
        in said.err
    )
    assert "humanoid-imitate-march-on-v0" in bench("list", "envs").out
    task = tasks.get("humanoid-imitate-march-on")
    assert (task.id, task.anchors, task.headline) == ("humanoid-imitate-march-on-v0", None, "return")
    try:
        with plugins.make(task.id) as env:
            assert env.reset(seed=0)[0].shape == (227,)
    finally:
        gymnasium.registry.pop(task.id, None)


def test_the_same_clip_again_changes_nothing_and_another_needs_a_name(
    bench: Bench, motions: Path, tmp_path: Path
) -> None:
    source = clip_file(tmp_path / "mine.txt")
    assert bench("data", "import-motion", str(source)).code == 0
    before = (motions / "mine.txt").read_bytes()
    assert "mine is there already" in bench("data", "import-motion", str(source)).err
    said = bench("data", "import-motion", str(clip_file(tmp_path / "mine.txt", Loop="none")))
    assert (said.code, said.err) == (
        2,
        "bench: another clip is called mine already: --as NAME gives this one a name of its own\n",
    )
    assert (motions / "mine.txt").read_bytes() == before
    assert bench("data", "import-motion", str(source), "--as", "walk").code == 2, "that name is taken by ours"
    assert bench("data", "import-motion", str(WALK)).code == 0, "ours may be brought: it is there already"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--as", "My clip"), "'My clip' cannot name a clip: small letters and digits can, with dashes between them"),
        (("--touching", "hands"), "--touching hands: feet or limbs"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    more: tuple[str, str], said: str, bench: Bench, motions: Path, tmp_path: Path
) -> None:
    done = bench("data", "import-motion", str(clip_file(tmp_path / "mine.txt")), *more)
    assert (done.code, done.err) == (2, f"bench: {said}\n")
    assert not motions.exists()


def test_a_file_that_is_no_clip_is_not_stored(bench: Bench, motions: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.txt"
    bad.write_text('{"Frames": []}')
    done = bench("data", "import-motion", str(bad))
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "Frames: 2 entries are needed, not 0" in done.err
    assert not motions.exists()


def test_an_unknown_clip_is_said_with_the_nearest_name(tmp_path: Path) -> None:
    library.add(clip_file(tmp_path / "spinkick.txt"))
    with pytest.raises(MotionError, match=r"no clip of motion is called 'spinkik'; did you mean 'spinkick'\?"):
        library.find("spinkik")
    with pytest.raises(UnknownTaskError, match="did you mean 'humanoid-imitate-spinkick'"):
        tasks.get("humanoid-imitate-spinkik")


def test_a_damaged_clip_is_said_where_its_task_is_asked_for(motions: Path, tmp_path: Path) -> None:
    library.add(clip_file(tmp_path / "mine.txt"))
    (motions / "mine.txt").write_text("{")
    assert "humanoid-imitate-mine-v0" in tasks.ids()
    with pytest.raises(MotionError, match="is no clip of DeepMimic's humanoid"):
        tasks.get("humanoid-imitate-mine")


def test_runs_of_another_clip_of_the_same_name_are_other_runs(motions: Path, tmp_path: Path) -> None:
    found = []
    for loop in ("wrap", "wrap", "none"):
        library.add(clip_file(tmp_path / "mine.txt", Loop=loop))
        more = ["prior_data=false", "normalise_obs=false"]
        found.append(resolve("awr", "humanoid-imitate-mine", (0,), "smoke", more, "test").hash)
        (motions / "mine.txt").unlink()
    assert found[0] == found[1] != found[2]


def test_what_may_touch_the_ground_is_kept_with_the_clip(tmp_path: Path) -> None:
    feet, new, _ = library.add(clip_file(tmp_path / "a.txt"))
    limbs, _, _ = library.add(clip_file(tmp_path / "b.txt"), touching="limbs")
    assert (new, feet.touching, limbs.touching, library.find("b").touching) == (True, "feet", "limbs", "limbs")
    assert feet.fingerprint != limbs.fingerprint
    np.testing.assert_array_equal(library.find("b").clip.poses, read(WALK).poses)


def test_the_example_of_the_page_is_a_clip(bench: Bench, tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "data.md").read_text(encoding="utf-8")
    (code,) = (c for c in re.findall(r"^```python\n(.*?)^```", page, re.M | re.S) if "Frames" in c)
    exec(compile(code, "docs/data.md", "exec"), {})
    assert bench("data", "import-motion", "stand.txt").code == 0
    clip = library.find("stand").clip
    assert (clip.duration, clip.loops, clip.pose(7.3)[1]) == (0.5, True, 0.89)
