"""Parse the YAML of a policy into rules, conditions and data declarations; report file, line and column of errors."""
