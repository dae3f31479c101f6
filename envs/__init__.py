"""Where experience comes from: tasks, environments in worker processes, datasets. Never imports torch."""
