"""Policies at work, side by side on the same initial states, as a video; drawn without a display."""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from algos.settings import SettingError
from envs import plugins as outside
from envs.discrete import boxed
from envs.errors import SimulatorError
from envs.task import Task
from suite.output import replacing, say
from suite.policies.trained import FINAL, Trained, act_of, found
from suite.record.files import writable
from suite.train.evaluate import FRESH_SEED
from suite.train.in_turn import InTurn

__all__ = ["FORMATS", "cure", "film", "video", "way_of_drawing"]

FORMATS = (".mp4", ".webp", ".gif")
FPS = 25  # at most: simulators of 100 steps per second are shown in every fourth
PAUSE = 0.6  # seconds that an episode's last picture stays
SAY_STEPS = 250  # between signs of life: without a GPU a step takes up to a second
BAR = 22  # pixels above each panel for its label
SIZES = {1: 480, 2: 400, 4: 320}  # up to so many panels -> height of one; else the smallest
SMALLEST, MOST = 240, 16
_DRIVERS = "apt install libegl1 libgl1-mesa-dri"
_WAYS = ("egl", "osmesa", "glfw")
_PROBE = (
    "import mujoco; m = mujoco.MjModel.from_xml_string('<mujoco><worldbody><geom size=\".1\"/></worldbody></mujoco>')\n"
    "d = mujoco.MjData(m); mujoco.mj_forward(m, d); r = mujoco.Renderer(m, 32, 32); r.update_scene(d); r.render()"
)
_INK, _GOOD, _PAPER = (30, 30, 30), (0, 120, 60), (255, 255, 255)


def way_of_drawing() -> str | None:
    """Value of MUJOCO_GL with which MuJoCo draws without a display: the one that is set, or the first that works."""
    chosen = os.environ.get("MUJOCO_GL")
    return _first_that_draws((chosen,) if chosen else _WAYS)


def cure() -> str:
    """What to do where there is no way of drawing: another value of MUJOCO_GL where one works, else drivers."""
    chosen = os.environ.get("MUJOCO_GL")
    works = _first_that_draws([way for way in _WAYS if way != chosen]) if chosen else None
    return f"unset MUJOCO_GL, which is {chosen}, or set it to {works}" if works else _DRIVERS


def _first_that_draws(ways: Sequence[str]) -> str | None:
    """The first of these values of MUJOCO_GL that works.

    Each is tried in a process of its own, because a driver that fails can take its process with it.
    """
    for way in ways:
        tried = subprocess.run(
            [sys.executable, "-c", _PROBE], env={**os.environ, "MUJOCO_GL": way}, capture_output=True, check=False
        )
        if tried.returncode == 0:
            return way
    return None


def _can_draw(task: Task) -> bool:
    """Whether the task's environment makes pictures."""
    with contextlib.closing(outside.make(task.id)) as env:
        return "rgb_array" in (env.metadata.get("render_modes") or ())


def video(runs: Sequence[Path], episodes: int, seeds: str | None, at: str, out: Path) -> int:
    """Film policies side by side; of every run the first seed unless `seeds` are given. Returns the exit code."""
    if out.suffix not in FORMATS:
        raise SettingError(f"--out {out}: a video's name ends in {', '.join(FORMATS)}")
    if out.suffix == ".mp4" and find_spec("imageio_ffmpeg") is None:
        raise SettingError(f"--out {out}: mp4 needs ffmpeg: pip install 'awac-bench[video]', or name a .webp or .gif")
    with writable(out):
        chosen, code = found(runs, at, seeds, first_only=seeds is None)
        film(chosen, episodes, out)
    return code


def film(shown: Sequence[Trained], episodes: int, out: Path) -> None:
    """Write a video of every policy in `shown`, all seeds, in `episodes` common initial states.

    The suffix of `out` is one of `FORMATS`. Raises `SettingError` where there is nothing to draw or too much,
    `SimulatorError` where this machine cannot draw.
    """
    tasks = {one.task.id: one.task for one in shown}
    if len(tasks) > 1:
        raise SettingError(f"one video shows one task, and these are of {', '.join(tasks)}: name the runs of one")
    (task,) = tasks.values()
    players = [(one, k) for one in shown for k in range(len(one.seeds))]
    if len(players) > MOST:
        raise SettingError(f"{len(players)} policies in one picture; up to {MOST} fit: choose by --seeds or --at")
    task.check_simulator()
    if "mujoco" in task.simulator:
        way = way_of_drawing()
        if way is None:
            raise SimulatorError(f"no OpenGL here to draw with: {cure()}")
        os.environ["MUJOCO_GL"] = way  # before anything imports mujoco
    if not _can_draw(task):
        raise SettingError(f"{task.id} draws no pictures: its environment has no render mode rgb_array")
    panels: list[_Panel] = []
    try:
        for one, k in players:
            alike = sum(other.algo == one.algo and other.at == one.at for other in shown) > 1
            panels.append(_Panel(one, k, f"{one.algo} [{one.name}]" if alike else one.algo))
        every = max(1, math.ceil(panels[0].rate / FPS))
        _write(_pictures(panels, episodes, every, task.horizon), out, panels[0].rate / every)
    finally:
        for panel in panels:
            panel.env.close()


class _Panel:
    """One policy in its environment."""

    def __init__(self, trained: Trained, k: int, name: str) -> None:
        self.task = trained.task
        self.env: gymnasium.Env[Any, Any] = boxed(outside.make(self.task.id, render_mode="rgb_array"))
        self.rate = float(self.env.metadata.get("render_fps") or FPS)
        self.act, self.chunk = act_of(trained.alone(k)), trained.action_chunk
        moment = "" if trained.at == FINAL else f" at {int(trained.at):,}"
        self.label = f"{name}, seed {trained.seeds[k]}{moment}"
        self.obs = np.zeros(self.task.obs_dim, np.float32)
        self._begin()

    def _begin(self) -> None:
        self.play = InTurn(self.act, self.chunk)
        self.total, self.ended, self.success = 0.0, False, False
        self.last: Image.Image | None = None  # picture of an ended episode

    def reset(self, seed: int) -> None:
        obs, _ = self.env.reset(seed=seed)
        self.obs = np.asarray(obs, np.float32)
        self._begin()

    def step(self) -> None:
        if self.ended:
            return
        action = self.play(self.obs[None, None], None, np.zeros((1, 1), bool))[0, 0]
        obs, reward, terminated, truncated, _ = self.env.step(np.clip(action, -1.0, 1.0))
        self.obs = np.asarray(obs, np.float32)
        self.total += float(reward)
        self.success = self.task.success is not None and bool(self.task.success(self.obs))
        self.ended = bool(terminated or truncated)

    def draw(self, height: int) -> Image.Image:
        """Draw the scene under a bar with label and return, which is green while the episode counts as a success."""
        if self.last is not None:
            return self.last
        scene = Image.fromarray(np.asarray(self.env.render(), np.uint8))
        scene = scene.resize((round(scene.width * height / scene.height), height), Image.Resampling.LANCZOS)
        panel = Image.new("RGB", (scene.width, height + BAR), _PAPER)
        panel.paste(scene, (0, BAR))
        pen, ink = ImageDraw.Draw(panel), _GOOD if self.success else _INK
        font = ImageFont.load_default(13)
        pen.text((6, 3), self.label, ink, font)
        score = f"{'success, ' if self.success else ''}return {self.total:.0f}"
        pen.text((scene.width - 6, 3), score, ink, font, anchor="ra")
        self.last = panel if self.ended else None
        return panel


def _pictures(panels: Sequence[_Panel], episodes: int, every: int, horizon: int) -> Iterator[Image.Image]:
    """Pictures of every `every`-th step of all panels, episode after episode; an ended one keeps its last picture."""
    height = next((size for most, size in SIZES.items() if len(panels) <= most), SMALLEST)
    for episode in range(episodes):
        say(f"episode {episode + 1}/{episodes}, of up to {horizon:,} steps")
        for panel in panels:
            panel.reset(FRESH_SEED + episode)
        picture = _grid([p.draw(height) for p in panels])
        yield picture
        for t in range(1, horizon + 1):
            if t % SAY_STEPS == 0:
                say(f"step {t:,}/{horizon:,}")
            for panel in panels:
                panel.step()
            over = all(p.ended for p in panels)
            if t % every == 0 or over:
                picture = _grid([p.draw(height) for p in panels])
                yield picture
            if over:
                break
        for _ in range(round(PAUSE * panels[0].rate / every)):
            yield picture


def _grid(panels: Sequence[Image.Image]) -> Image.Image:
    """Arrange panels row by row; sides are even, as video codecs want them."""
    columns = math.ceil(math.sqrt(len(panels)))
    rows = -(-len(panels) // columns)
    width, height = panels[0].size
    whole = Image.new("RGB", (width * columns // 2 * 2, height * rows // 2 * 2), _PAPER)
    for n, panel in enumerate(panels):
        whole.paste(panel, (n % columns * width, n // columns * height))
    return whole


def _write(pictures: Iterator[Image.Image], out: Path, rate: float) -> None:
    first = next(pictures)
    with replacing(out) as new:
        if out.suffix == ".mp4":
            _mp4(first, pictures, new, rate)
        else:
            how: dict[str, Any] = {"quality": 80, "method": 2} if out.suffix == ".webp" else {}
            first.save(new, save_all=True, append_images=pictures, duration=round(1000 / rate), loop=0, **how)


def _mp4(first: Image.Image, rest: Iterator[Image.Image], path: Path, rate: float) -> None:
    from imageio_ffmpeg import write_frames

    sink = write_frames(str(path), first.size, fps=rate, macro_block_size=2, quality=7)
    sink.send(None)  # starts ffmpeg
    try:
        for picture in itertools.chain((first,), rest):
            sink.send(np.ascontiguousarray(picture))
    finally:
        sink.close()
