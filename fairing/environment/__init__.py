"""What is installed where this process runs: distributions, their files, their requirements, and whose a module is.

``importlib.metadata`` answers the same questions in seconds where a run has milliseconds: here the headers alone are
read, and what was read is kept on disk until the folder it came from changes.
"""
