"""The run's side: what starts in the pod or the local process, owns its output and sends it back.

Standard library and cloudpickle alone, so that it starts in any image with a Python; it knows nothing of the client.

    __main__    starts the run: reads ``run.json``, forks, and pumps
    pump        the parent: owns the output of the child and writes the log
    child       the child: makes the process ready for the user's code, then runs the entry
    pod boot library archive                                  the start in a pod
    frames      the log's codec, for both sides
    lines       bytes → whole lines, as a terminal shows them
    tell        how the child tells its parent                streams     its standard output
    function cell script notebook                             one for each kind of entry
    captured    what was captured, in ``__main__`` again      outcome     how the user's code ended
    wrapped     how cached functions are pickled
    displays    ``display`` and its relatives                 bundles figures bars: what they show
"""
