"""The report of `check`: `report` collects the findings, and each other module prints them in one format."""
