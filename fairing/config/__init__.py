"""Which target and which options a run has, and where each was said: in the call, by `use`, a variable or a file."""
