"""The run's side: what starts in the pod or the local process, owns its output and sends it back.

Standard library and cloudpickle alone, so that it starts in any image with a Python; it knows nothing of the client.

    __main__    starts the run: reads ``run.json``, forks, and pumps
    pump        the parent: owns the output of the child and writes the log
    child       the child: makes the process ready for the user's code, then runs the entry
    frames      the log's codec, for both sides
"""
