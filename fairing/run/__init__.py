"""A run that was started: a handle and its methods, its value or bad end, its events; and a run kept as a folder."""
