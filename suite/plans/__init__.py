"""The papers' figures and tables as grids of cells, one TOML file each."""
