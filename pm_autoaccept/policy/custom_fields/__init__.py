"""A policy beside the custom fields that an account defines."""
