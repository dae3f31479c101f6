"""The tasks, one module per family, facts only: no simulator is loaded here."""

__all__ = ["SMALL"]

# Found by trial: small networks learn pen, door and locomotion within minutes on a CPU, and fail on relocate.
SMALL = {"hidden": (128, 128), "policy_lr": 5e-4, "critic_lr": 5e-4}
