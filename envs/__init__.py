"""Where experience comes from: tasks, environments in worker processes, datasets. Never imports torch.

    errors      every error that is written for people, and hints at the word that was meant
    task        what a task is
    discrete    how choices become vectors, everywhere alike
    plugins     environments by gymnasium id, and the tasks of other packages
    motion      clips of recorded motion, by name
    rules       what a recorded observation says by itself: success and rewards
    catalogue   the tasks, one module per family
    tasks       the registry: tasks by name
    simulators  the worlds that are stepped
    stepping    many environments in worker processes
    data        datasets, from any source into the Minari store and out of it
    verify      datasets beside what their environment gives
    experts     small policies that data are generated from

A room imports only from those above it.

Importing this package registers the environments of all its tasks with gymnasium; a simulator is loaded only when one
is made. `gymnasium.make("envs:pen-binary-v0")` does both.
"""

from envs import plugins
from envs.tasks import TASKS, of_motions

for _task in (*TASKS.values(), *of_motions().values()):
    plugins.register(_task)
