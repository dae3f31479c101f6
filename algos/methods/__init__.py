"""The methods, one file each, as objectives: losses and what they need."""
