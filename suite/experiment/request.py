"""What a command line asks for, read once: names, seeds, overrides."""

from __future__ import annotations

from collections.abc import Sequence

from algos.settings import SettingError

__all__ = ["parse_list", "parse_seeds", "seed_list", "spell_seeds"]

MOST_SEEDS = 1000  # of one run: who names more means one seed of that number
SEEDS_END = 2**32  # generators elsewhere take 32 bits


def parse_list(text: str) -> list[str]:
    """'awac, sac' -> ['awac', 'sac'], without repeats."""
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def parse_seeds(text: str) -> tuple[int, ...]:
    """'5' -> 0..4; '3,7,9' -> those; '4-6' -> 4, 5, 6."""
    forms = "a count (5), a list (3,7,9) or a range (4-6)"
    try:
        count = int(text)
    except ValueError:
        return seed_list(text, forms)
    if count < 1:
        raise SettingError(f"--seeds {text}: names no seed; give {forms}")
    _check_number(text, count, f"; did you mean --seeds {count}-{count} for the one seed {count}?")
    return tuple(range(count))


def seed_list(text: str, forms: str = "a seed (3), a list (3,7,9) or a range (4-6)") -> tuple[int, ...]:
    """'3' -> that one; '3,7,9' -> those; '4-6' -> 4, 5, 6; `forms` are what the option takes, for its refusal."""
    try:
        ranges = [_range(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise SettingError(f"--seeds {text}: give {forms}") from None
    if not ranges or not all(ranges):
        raise SettingError(f"--seeds {text}: {'a range that falls' if ranges else 'names no seed'}; give {forms}")
    if (largest := max(part[-1] for part in ranges)) >= SEEDS_END:
        raise SettingError(f"--seeds {text}: seed {largest} is too large; the largest is {SEEDS_END - 1}")
    _check_number(text, sum(map(len, ranges)))
    seeds = [seed for part in ranges for seed in part]
    if len(set(seeds)) != len(seeds):
        raise SettingError(f"--seeds {text}: names a seed twice")
    return tuple(seeds)


def _range(text: str) -> range:
    """'4-6' -> 4, 5, 6; '3' -> that one. Raises `ValueError` for what is neither."""
    first, dash, last = text.partition("-")
    return range(int(first), int(last if dash else first) + 1)


def _check_number(text: str, count: int, hint: str = "") -> None:
    if count > MOST_SEEDS:
        raise SettingError(f"--seeds {text}: {count:,} seeds; {MOST_SEEDS:,} are the most{hint * (count < SEEDS_END)}")


def spell_seeds(seeds: Sequence[int]) -> str:
    """As `parse_seeds` reads them: 5 for 0 to 4, and a list for others."""
    if list(seeds) == list(range(len(seeds))):
        return str(len(seeds))
    return f"{seeds[0]}-{seeds[0]}" if len(seeds) == 1 else ",".join(map(str, seeds))
