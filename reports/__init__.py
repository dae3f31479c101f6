"""From run folders to tables, plots and one page."""
