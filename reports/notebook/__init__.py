"""Results for notebooks: what was recorded as a DataFrame, and a report's tables and figures one by one."""
