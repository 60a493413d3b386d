"""Compare a policy with the custom fields that the Portfolio Manager account defines."""
