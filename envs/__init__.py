"""Where experience comes from: tasks, environments in worker processes, datasets. Never imports torch.

    task        what a task is; `tasks` is the registry, `outside` the tasks of other packages
    discrete    how choices become vectors, everywhere alike
    catalogue   the entries of the registry, one module per family
    rules       what a recorded observation says by itself: success and rewards
    simulators  the worlds that are stepped
    stepping    many environments in worker processes
    data        datasets, from any source into the Minari store and out of it
    verify      datasets beside what their environment gives
    experts     small policies that data are generated from

Importing this package registers its environments with gymnasium by name; a simulator is loaded only when one
is made. `gymnasium.make("envs:pen-binary-v0")` does both.
"""

from gymnasium import register

HAND_STEPS = 200  # horizon of the hand tasks (AWAC's launcher runs all of them at 200)
PEN_DENSE_STEPS = 100  # D4RL's horizon of the pen, which its score anchors belong to
MAZE_STEPS = 1000  # D4RL: 700 in the smallest maze, but collection takes whole episodes, and presets count in thousands
POINT_STEPS = 100
PUSH_STEPS = 50  # multiworld registers no horizon; rlkit's example on this task has 50
LOCOMOTION_STEPS = 1000  # horizon of the locomotion tasks, as gymnasium registers them
LANDER_STEPS = 1000  # likewise

for _id, _class in {
    "pen-binary-v0": "PenEnv",
    "door-binary-v0": "DoorEnv",
    "relocate-binary-v0": "RelocateEnv",
    "hammer-binary-v0": "HammerEnv",
}.items():
    register(id=_id, entry_point=f"envs.simulators.hands:{_class}", max_episode_steps=HAND_STEPS)

for _id, _class, _steps in (
    ("pen-dense-v0", "PenDenseEnv", PEN_DENSE_STEPS),
    ("door-dense-v0", "DoorDenseEnv", HAND_STEPS),
    ("relocate-dense-v0", "RelocateDenseEnv", HAND_STEPS),
    ("hammer-dense-v0", "HammerDenseEnv", HAND_STEPS),
):
    register(id=_id, entry_point=f"envs.simulators.hands_dense:{_class}", max_episode_steps=_steps)

for _id, _class, _options in (
    ("halfcheetah-v5", "HalfCheetahEnv", {}),
    ("walker2d-v5", "Walker2dEnv", {}),
    ("hopper-v5", "HopperEnv", {}),
    # the simulator of the papers left all contact forces at zero; -v5 fills most of them
    ("ant-v5", "AntEnv", {"include_cfrc_ext_in_observation": False}),
    ("humanoid-v5", "HumanoidEnv", {"include_cfrc_ext_in_observation": False}),
):
    register(
        id=_id, entry_point=f"envs.simulators.locomotion:{_class}", max_episode_steps=LOCOMOTION_STEPS, kwargs=_options
    )  # fmt: skip

for _maze in ("umaze", "medium", "large"):
    for _kind, _options in (("", {}), ("-anywhere", {"anywhere": True})):
        register(
            id=f"antmaze-{_maze}{_kind}-v1", entry_point="envs.simulators.mazes:AntMazeEnv",
            max_episode_steps=MAZE_STEPS, kwargs={"maze": _maze, **_options},
        )  # fmt: skip

register(id="point-reach-v0", entry_point="envs.simulators.point:PointReachEnv", max_episode_steps=POINT_STEPS)
register(id="sawyer-push-v0", entry_point="envs.simulators.sawyer:SawyerPushEnv", max_episode_steps=PUSH_STEPS)

for _id, _continuous in (("lunarlander-v3", False), ("lunarlander-continuous-v3", True)):
    register(
        id=_id, entry_point="envs.simulators.lander:LanderEnv", max_episode_steps=LANDER_STEPS,
        kwargs={"continuous": _continuous},
    )  # fmt: skip
