"""The report's page: its content, its template, and the folder around it."""
