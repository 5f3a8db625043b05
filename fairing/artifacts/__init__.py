"""Artifact stores, from this side: whether one will do, and what a run put there. The run's side is in the runtime."""
