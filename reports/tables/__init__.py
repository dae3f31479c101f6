"""Tables: numbers as CSV and JSON, and as text for Markdown, LaTeX and the page."""
