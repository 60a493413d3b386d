"""The policy that `init` writes: its files, as text."""
