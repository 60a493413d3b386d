"""Serves `check`: `report` finds everything, and each other module shows it in one form."""
