"""Monitoring: logs on stderr, the health probes `/livez` and `/readyz`, and Prometheus `/metrics`."""
