"""The ``__main__`` of a worker that the user's code spawned: the names that were captured, and nothing else."""


def __getattr__(name: str) -> object:
    from fairing.runtime.captured import find

    return find(name)


if __name__ == "__mp_main__":
    __import__("fairing.runtime.captured").runtime.captured.serve()
