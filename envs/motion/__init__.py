"""Clips of recorded motion, which imitation tasks follow: the format of their files, and where they lie."""
