"""Stepping many environments: same bytes for any number of workers, true successors, no process left over."""

import os
import signal
import subprocess
import sys

import gymnasium
import numpy as np
import pytest

from envs.errors import WorkerError
from envs.stepping.vector import VectorEnv, VectorStep, default_workers
from envs.stepping.worker import episode_seed


class Toy(gymnasium.Env):
    """obs: steps so far, a number drawn at reset, the action. Truncated at 3 steps."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (3,), np.float32)
    action_space = gymnasium.spaces.Box(-9, 9, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps, self.drawn = 0, self.np_random.random()
        return np.array([0, self.drawn, 0]), {}

    def step(self, action):
        if action[0] == 9:
            raise ArithmeticError("the toy broke")
        if action[0] == 8:
            os._exit(3)
        self.steps += 1
        obs = np.array([self.steps, self.drawn, action[0]])
        return obs, float(action[0]), bool(action[0] > 5), self.steps == 3, {"success": action[0] > 1}


TOY = f"{__name__}:Toy-v0"  # importable in a worker
gymnasium.register("Toy-v0", f"{__name__}:Toy")


class Switches(Toy):
    """Its actions are neither numbers nor one choice."""

    action_space = gymnasium.spaces.MultiBinary(2)


SWITCHES = f"{__name__}:Switches-v0"
gymnasium.register("Switches-v0", f"{__name__}:Switches")


def play(env_id, count, workers, steps):
    """Observations of the reset and all steps' results, stacked over time."""
    with VectorEnv(env_id, count, workers) as env:
        rng = np.random.default_rng(0)
        actions = rng.uniform(-1, 1, (steps, count, *env.action_space.shape)).astype(np.float32)
        first = env.reset([10 + i for i in range(count)])
        taken = [env.step(a) for a in actions]
    return first, VectorStep(*(np.stack(parts) for parts in zip(*taken, strict=True))), actions


def alone(env_id, seed, actions):
    """What `VectorEnv` must return for one environment, written out with gymnasium alone."""
    env, episode, rows = gymnasium.make(env_id), 0, []
    first = env.reset(seed=seed)[0]
    for action in actions:
        next_obs, reward, terminated, truncated, info = env.step(action)
        obs = next_obs
        if terminated or truncated:
            episode += 1
            child = np.random.SeedSequence((seed, episode)).generate_state(1)[0]
            obs = env.reset(seed=int(child))[0]
        rows.append((obs, next_obs, reward, terminated, truncated, info.get("success", False)))
    env.close()
    return first, VectorStep(*(np.stack(part) for part in zip(*rows, strict=True)))


@pytest.mark.slow
@pytest.mark.parametrize(("env_id", "count", "steps"), [("relocate-binary-v0", 4, 30), ("Hopper-v5", 3, 80)])
def test_workers_do_not_change_a_byte(env_id, count, steps):
    first, here, actions = play(env_id, count, 0, steps)
    for workers in (1, 2):
        other_first, other, _ = play(env_id, count, workers, steps)
        assert other_first.tobytes() == first.tobytes()
        for name, a, b in zip(here._fields, here, other, strict=True):
            assert (a.dtype, a.tobytes()) == (b.dtype, b.tobytes()), name
    assert here.obs.dtype == here.next_obs.dtype == here.reward.dtype == np.float32
    assert here.terminated.dtype == here.truncated.dtype == here.success.dtype == bool
    for i in range(count):
        expected_first, expected = alone(env_id, 10 + i, actions[:, i])
        np.testing.assert_array_equal(first[i], expected_first.astype(np.float32))
        for name, got, want in zip(here._fields, here, expected, strict=True):
            np.testing.assert_array_equal(got[:, i], want.astype(got.dtype), err_msg=name)
    if env_id == "Hopper-v5":
        assert here.terminated.sum(0).min() > 1  # several falls each, or auto-reset was not tried


def test_ends_of_episodes_by_hand():
    with VectorEnv(TOY, 2, 0) as env:
        start = env.reset([1, 2])
        action = np.array([[0.5], [2.0]], dtype=np.float32)
        steps = [env.step(action) for _ in range(3)]
        fall = env.step([[6.0], [0.0]])
    drawn = start[:, 1]
    assert drawn[0] != drawn[1]
    last = steps[-1]
    np.testing.assert_array_equal(last.next_obs, np.stack([[3, 3], drawn, [0.5, 2]], axis=1))
    np.testing.assert_array_equal(last.obs[:, [0, 2]], 0)  # a new episode
    assert not np.isin(last.obs[:, 1], drawn).any()
    assert last.truncated.all()
    assert not last.terminated.any()
    np.testing.assert_array_equal(last.success, [False, True])
    np.testing.assert_array_equal(last.reward, [0.5, 2])
    np.testing.assert_array_equal(steps[0].obs, steps[0].next_obs)  # kept by us, and not overwritten since
    assert not steps[0].truncated.any()
    np.testing.assert_array_equal(fall.terminated, [True, False])
    np.testing.assert_array_equal(fall.truncated, False)


def test_every_episode_has_its_own_seed():
    seeds = [episode_seed(s, e) for s in range(20) for e in range(1, 20)]
    assert len(set(seeds)) == len(seeds)
    assert episode_seed(503, 0) == 503  # the one that was asked for
    assert episode_seed(3, 2) == episode_seed(3, 2)


def test_reset_starts_the_count_of_episodes_again():
    with VectorEnv(TOY, 1, 0) as env:
        runs = []
        for _ in range(2):
            env.reset([4])
            runs.append(np.stack([env.step([[0.0]]).obs for _ in range(7)]))
    np.testing.assert_array_equal(*runs)


@pytest.mark.parametrize("workers", [0, 1])
def test_actions_of_a_diverged_seed_count_as_zero(workers):
    with VectorEnv(TOY, 3, workers) as env:
        env.reset([1, 2, 3])
        out = env.step(np.array([[np.nan], [np.inf], [1.0]], dtype=np.float32))
    np.testing.assert_array_equal(out.next_obs[:, 2], [0, 0, 1])


def test_bad_calls_say_what_is_wrong():
    with pytest.raises(ValueError, match="need 1 environment or more"):
        VectorEnv(TOY, 0, 0)
    with pytest.raises(ValueError, match="0 workers or more"):
        VectorEnv(TOY, 1, -1)
    with pytest.raises(ValueError, match=r"action space is MultiBinary\(2\), need a Box of one dimension, or choices"):
        VectorEnv(SWITCHES, 1, 0)
    with pytest.raises(gymnasium.error.NameNotFound, match="relocate-binary"):
        VectorEnv("relocate-binery-v0", 2, 2)
    with VectorEnv(TOY, 2, 0) as env:
        with pytest.raises(RuntimeError, match=r"reset\(\)"):
            env.step([[0.0], [0.0]])
        with pytest.raises(ValueError, match="1 seeds for 2 environments"):
            env.reset([1])
        with pytest.raises(ValueError, match="not be negative"):
            env.reset([1, -1])
        env.reset([1, 2])
        with pytest.raises(ValueError, match=r"\(2,\), need \(2, 1\)"):
            env.step([0.0, 0.0])
    with pytest.raises(RuntimeError, match="closed"):
        env.reset([1, 2])


def test_error_in_a_worker_reaches_the_caller_and_closes():
    env = VectorEnv(TOY, 3, 5)
    assert env.workers == 3  # never more than environments
    env.reset([1, 2, 3])
    with pytest.raises(WorkerError, match=r"(?s)environments 1 to 1 of .*the toy broke"):
        env.step([[0.0], [9.0], [0.0]])
    with pytest.raises(RuntimeError, match="closed"):
        env.reset([1, 2, 3])
    assert not env._processes


def test_death_of_a_worker_is_an_error_and_not_a_hang():
    env = VectorEnv(TOY, 4, 2)
    env.reset([1, 2, 3, 4])
    env._processes[1].kill()
    env._processes[1].join()
    with pytest.raises(WorkerError, match=r"environments 2 to 3 of .* was killed by SIGKILL"):
        env.step(np.zeros((4, 1)))
    env.close()
    env = VectorEnv(TOY, 4, 2)
    env.reset([1, 2, 3, 4])
    with pytest.raises(WorkerError, match=r"environments 0 to 1 of .* ended with exit status 3"):
        env.step([[8.0], [0.0], [0.0], [0.0]])


# Workers hold the program's output open, so reading it to its end returns only when all of them are gone.
PROGRAM = """
import contextlib, multiprocessing, os, signal, sys, threading, time
import numpy as np
from envs.stepping.vector import VectorEnv

def interrupt_once_a_worker_exists():
    while not multiprocessing.active_children():
        pass
    os.killpg(0, signal.SIGINT)

def interrupt_workers_all_the_time():
    while threading.main_thread().is_alive():
        for child in multiprocessing.active_children():
            with contextlib.suppress(ProcessLookupError):  # it has just been reaped
                os.kill(child.pid, signal.SIGINT)
        time.sleep(0.005)

def main():
    with VectorEnv("Pendulum-v1", 4, 2) as env:
        env.reset([1, 2, 3, 4])
        print("ready", flush=True)
        while not asked:
            env.step(np.zeros((4, 1)))
        for _ in range(100):  # as far as the next checkpoint
            env.step(np.zeros((4, 1)))
        print("stopped at a checkpoint")

def forget():
    global env
    env = VectorEnv("Pendulum-v1", 4, 2)
    print("ready", flush=True)

asked = []
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin with it ignored
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, lambda number, frame: asked.append(number))
    if sys.argv[1:] == ["forget"]:
        sys.exit(forget())
    for name in sys.argv[1:]:
        threading.Thread(target=globals()[name], daemon=True).start()
    try:
        main()
    except KeyboardInterrupt:
        print("stopped")
"""


@pytest.mark.skipif(os.name != "posix", reason="signals to a process group")
def test_ctrl_c_is_the_parents_alone(tmp_path):
    with start_program(tmp_path, "interrupt_workers_all_the_time") as program:
        assert program.stdout.readline() == "ready\n"
        os.killpg(program.pid, signal.SIGINT)
        assert program.communicate(timeout=20) == ("stopped\n", "")


@pytest.mark.skipif(os.name != "posix", reason="signals to a process group")
def test_ctrl_c_between_two_starts(tmp_path):
    with start_program(tmp_path, "interrupt_once_a_worker_exists") as program:
        assert program.communicate(timeout=20) == ("stopped\n", "")


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals to a process group")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2])
def test_a_stop_signal_to_all_is_the_parents_alone(tmp_path, number):
    """As a cluster or a service manager sends them; the parent goes on stepping until it has come to a good place."""
    with start_program(tmp_path) as program:
        assert program.stdout.readline() == "ready\n"
        os.killpg(program.pid, number)
        assert program.communicate(timeout=20) == ("stopped at a checkpoint\n", "")


def test_workers_of_an_environment_that_nobody_closed_go_with_the_program(tmp_path):
    with start_program(tmp_path, "forget") as program:
        try:
            assert program.communicate(timeout=20) == ("ready\n", "")
        except subprocess.TimeoutExpired:
            os.killpg(program.pid, signal.SIGKILL)
            raise


@pytest.mark.skipif(os.name != "posix", reason="kills a process")
def test_workers_follow_a_killed_parent(tmp_path):
    with start_program(tmp_path) as program:
        assert program.stdout.readline() == "ready\n"
        program.kill()
        out, err = program.communicate(timeout=20)
    assert "Traceback" not in out + err


def start_program(tmp_path, *arguments):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return subprocess.Popen(
        [sys.executable, str(path), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )


def test_default_is_the_cores_we_may_use():
    assert 1 <= default_workers() <= os.cpu_count()


def test_without_shared_memory_they_step_here_and_a_line_says_so(monkeypatch, capsys):
    def read_only(*_):
        raise OSError(30, "Read-only file system", "/dev/shm/x")

    monkeypatch.setattr("multiprocessing.context.BaseContext.RawArray", read_only)
    first, taken, _ = play(TOY, 3, 2, 4)
    assert capsys.readouterr().err.startswith("bench: no shared memory ([Errno 30] Read-only file system")
    monkeypatch.undo()
    alone, same, _ = play(TOY, 3, 0, 4)
    np.testing.assert_array_equal(first, alone)
    np.testing.assert_array_equal(taken.obs, same.obs)
