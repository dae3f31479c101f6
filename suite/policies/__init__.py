"""What runs leave behind, used: policies found, scored once more, filmed, exported."""
