"""Evaluates a policy for one request: compiled conditions, the first rule that matches, and the explanation."""
