"""Videos of policies: what is drawn, in which order, and what is refused."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_run
from command import Bench
from PIL import Image
from toy_run import ONE_THREAD, TASK, experiment

import suite.policies.film
from envs import plugins, tasks
from suite.policies.film import FORMATS, film, way_of_drawing
from suite.policies.trained import Trained, find
from suite.train.cell import run_cell
from suite.train.evaluate import FRESH_SEED
from suite.train.means import Means

EXPERTS = Path(tasks.__file__).parent / "experts"
POINT = EXPERTS / "point.npz"


STEPS = 12  # of an episode here


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite.policies.film, "PAUSE", 0.1)
    monkeypatch.setattr(suite.policies.film, "SIZES", {1: 60, 2: 50, 4: 40})
    monkeypatch.setattr(suite.policies.film, "SMALLEST", 30)


def players(count: int, tmp_path: Path) -> list[Trained]:
    """The same policy under several names, in short episodes."""
    copies = [tmp_path / f"{n}.npz" for n in range(count)]
    for path in copies:
        shutil.copy(POINT, path)
    return [dataclasses.replace(one, task=dataclasses.replace(one.task, horizon=STEPS)) for one in find(copies)]


def pictures(path: Path) -> Iterator[Image.Image]:
    with Image.open(path) as whole:
        for n in range(whole.n_frames):  # type: ignore[attr-defined]
            whole.seek(n)
            yield whole.convert("RGB")


@pytest.mark.parametrize("suffix", [".webp", ".gif"])
def test_a_video_has_every_step_of_every_episode(suffix: str, tmp_path: Path) -> None:
    """Its steps at 20 per second, the first state, and two pictures' pause: equal ones may be one longer picture."""
    out = tmp_path / f"x{suffix}"
    film(players(1, tmp_path), 2, out)
    with Image.open(out) as whole:
        assert whole.size == (60, 60 + suite.policies.film.BAR)
        total = 0
        for n in range(whole.n_frames):  # type: ignore[attr-defined]
            whole.seek(n)
            whole.load()
            total += whole.info["duration"]
    assert total == 50 * 2 * (1 + STEPS + 2)
    assert [p.name for p in tmp_path.iterdir() if p.suffix == suffix] == [out.name]


@pytest.mark.skipif(find_spec("imageio_ffmpeg") is None, reason="no imageio-ffmpeg: pip install 'awac-bench[video]'")
def test_mp4_has_every_step(tmp_path: Path) -> None:
    from imageio_ffmpeg import count_frames_and_secs

    film(players(3, tmp_path), 1, tmp_path / "x.mp4")
    frames, seconds = count_frames_and_secs(str(tmp_path / "x.mp4"))
    assert frames == 1 + STEPS + 2
    assert seconds == pytest.approx(frames / 20, abs=0.06)


def test_mp4_without_its_package_says_how_to_get_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("suite.policies.film.find_spec", lambda name: None)
    said = bench("video", str(POINT), "--out", "x.mp4")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "pip install 'awac-bench[video]', or name a .webp or .gif" in said.err


def test_all_policies_begin_in_the_same_states_and_play_their_own_episodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The right of two panels shows a still policy: its point stays while the left one's moves."""
    monkeypatch.setattr(suite.policies.film, "act_of", lambda policy: lambda obs, noise: policy(obs[0])[None])
    seen: list[int] = []
    real = plugins.make

    def make(env_id: str, **options: Any) -> Any:
        env = real(env_id, **options)
        reset = env.reset
        env.reset = lambda seed: (seen.append(seed), reset(seed=seed))[1]
        return env

    def still(obs: np.ndarray) -> np.ndarray:
        return np.zeros((1, 2), np.float32)

    def push(obs: np.ndarray) -> np.ndarray:
        return np.ones((1, 2), np.float32)

    two = players(2, tmp_path)
    moves = iter((push, still))
    monkeypatch.setattr(Trained, "alone", lambda self, k: next(moves))
    monkeypatch.setattr(plugins, "make", make)
    film(two, 2, tmp_path / "x.gif")
    assert seen == [FRESH_SEED, FRESH_SEED, FRESH_SEED + 1, FRESH_SEED + 1]
    first, *_, last = pictures(tmp_path / "x.gif")
    begin, end = np.asarray(first, int), np.asarray(last, int)
    scene = slice(suite.policies.film.BAR, None)
    half = begin.shape[1] // 2
    blue = [where(p[scene, side]) for p in (begin, end) for side in (slice(0, half), slice(half, None))]
    assert blue[0] == pytest.approx(blue[1], abs=2)
    assert blue[2] != pytest.approx(blue[3], abs=3)


def where(panel: np.ndarray) -> tuple[float, float]:
    """Row and column of the point, which is blue."""
    rows, columns = np.nonzero((panel[..., 2] > 140) & (panel[..., 0] < 60))
    return float(rows.mean()), float(columns.mean())


@pytest.mark.parametrize(("count", "size"), [(2, (100, 72)), (3, (80, 124)), (5, (90, 104))])
def test_panels_stand_in_a_grid(count: int, size: tuple[int, int], tmp_path: Path) -> None:
    panels = [suite.policies.film._Panel(one, 0, one.algo) for one in players(count, tmp_path)]
    picture = next(suite.policies.film._pictures(panels, 1, 1, 1))
    assert picture.size == size
    assert all(side % 2 == 0 for side in picture.size)


def test_runs_of_several_tasks_too_many_policies_and_tasks_without_pictures_are_refused(
    bench: Bench, tmp_path: Path
) -> None:
    def refused(*arguments: str) -> str:
        said = bench("video", *arguments)
        assert said.code == 2
        assert not list(Path().glob("*.webp")) + list(Path().glob(".*webp"))
        return said.err.splitlines()[-1]

    assert "one video shows one task, and these are of point-reach-v0, pen-binary-v0" in refused(
        str(POINT), str(EXPERTS / "pen.npz")
    )
    copies = [str(one.where) for one in players(17, tmp_path)]
    assert "17 policies in one picture; up to 16 fit" in refused(*copies)
    assert f"--out x.avi: a video's name ends in {', '.join(FORMATS)}" in refused(str(POINT), "--out", "x.avi")
    with toy_run.registered():
        run_cell(experiment("bc"), Means(tmp_path / "runs", ONE_THREAD))
        assert f"{TASK.id} draws no pictures" in refused(str(tmp_path / "runs"))


def test_a_machine_without_opengl_is_told_what_to_install(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "nothing")
    assert way_of_drawing() is None
    said = bench("video", str(EXPERTS / "pen.npz"))
    assert (said.code, said.err.count("\n")) == (2, 1)
    monkeypatch.delenv("MUJOCO_GL")
    works = way_of_drawing()
    other = f"unset MUJOCO_GL, which is nothing, or set it to {works}"
    assert f"no OpenGL here to draw with: {other if works else 'apt install'}" in said.err


def test_the_first_seed_of_each_run_is_shown_unless_others_are_named(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[tuple[int, ...]] = []
    monkeypatch.setattr(
        suite.policies.film, "film", lambda found, episodes, out: shown.extend(one.seeds for one in found)
    )
    with toy_run.registered():
        run_cell(experiment("bc"), Means(Path("runs"), ONE_THREAD))
        assert bench("video", "runs").out == "video.webp\n"
        assert bench("video", "runs", "--seeds", "0,1").code == 0
        shutil.copytree(next(Path("runs").glob("*/bc/*")), "runs/broken")
        Path("runs/broken/status.json").write_text("{")
        said = bench("video", "runs")
    assert (said.code, said.out, said.err.count("left out: runs/broken/status.json")) == (1, "video.webp\n", 1)
    assert shown == [(0,), (0, 1), (0,)]


@pytest.mark.slow
def test_mujoco_draws_a_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if way_of_drawing() is None:
        pytest.skip("no OpenGL here")
    monkeypatch.setenv("MUJOCO_GL", str(way_of_drawing()))
    (trained,) = find([EXPERTS / "pen.npz"])
    panel = suite.policies.film._Panel(trained, 0, "expert")
    panel.reset(FRESH_SEED)
    before = np.asarray(panel.draw(120), int)
    for _ in range(3):
        panel.step()
    after = np.asarray(panel.draw(120), int)
    panel.env.close()
    assert before.shape == (120 + suite.policies.film.BAR, 120, 3)
    assert before[suite.policies.film.BAR :].std() > 10
    assert np.abs(after - before)[suite.policies.film.BAR :].max() > 50
