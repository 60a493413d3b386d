"""What the program tells those who run it. In this version: structured logs on stderr."""
