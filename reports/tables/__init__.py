"""Tables: numbers as CSV, and as text for Markdown, LaTeX and the page."""
