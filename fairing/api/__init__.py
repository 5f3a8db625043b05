"""What is called: the verbs of the public API, and how each finds its way through the stages."""
