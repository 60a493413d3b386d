"""Code that several commands share: options, sessions, confirmation, and running a coroutine."""
