"""What the program tells those who run it: logs on stderr, and `/livez`, `/readyz`, `/metrics` on a port of theirs."""
