"""What Jupyter calls: magics, completion, the papermill engine."""
