"""The starter policy that `init` writes, as text."""
