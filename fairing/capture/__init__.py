"""Live code → a ``Bundle``, the files that travel beside it, and a report of what was taken."""
