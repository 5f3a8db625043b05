"""The papermill engine."""
