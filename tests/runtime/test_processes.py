"""Processes of the user's own: none starts the runner again, and each finds what was captured."""

import pytest

POOL = """
    import multiprocessing
    factor = 3
    class Point:
        def __init__(self, x):
            self.x = x
    def scaled(point):
        return Point(point.x * factor)
    def main(method):
        global factor
        factor = 5
        print("main runs")
        with multiprocessing.get_context(method).Pool(2) as pool:
            return [type(point) is Point and point.x for point in pool.map(scaled, [Point(n) for n in range(4)])]
"""


@pytest.mark.parametrize(("method", "factor"), [("fork", 5), ("spawn", 3), ("forkserver", 3)])
def test_pools_of_every_kind_find_the_functions_and_classes_of_the_notebook(run, method, factor):
    done = run(POOL, method)
    assert done.value == [0, factor, 2 * factor, 3 * factor]
    assert (done.stdout, done.stderr) == ("main runs\n", "")


def test_functions_that_only_came_as_arguments_are_found_by_workers_too(runner):
    cell = {"__name__": "__main__"}
    exec("def double(x):\n    display(('doubling', x))\n    return 2 * x", cell)
    done = (
        runner(
            """
        import multiprocessing
        def main(function, method):
            with multiprocessing.get_context(method).Pool(1) as pool:
                return pool.map(function, range(3))
        """,
            cell["double"],
            "spawn",
        )
        .start()
        .end()
    )
    assert done.value == [0, 2, 4]
    assert done.stdout == "('doubling', 0)\n('doubling', 1)\n('doubling', 2)\n"


def test_joblib_workers_run_captured_functions(run):
    done = run(
        """
        from joblib import Parallel, delayed
        offset = 7
        def work(x):
            print("working")
            return x + offset
        def main():
            print("main runs")
            return Parallel(n_jobs=2)(delayed(work)(n) for n in range(4))
        """
    )
    assert done.value == [7, 8, 9, 10]
    assert sorted(done.stdout.splitlines()) == ["main runs"] + ["working"] * 4


def test_a_fork_that_returns_from_the_function_does_not_end_the_run_twice(run):
    done = run(
        """
        import os
        def main():
            child = os.fork()
            if child:
                return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            raise ValueError("in the fork")
        """
    )
    assert done.value == 1
    assert "ValueError: in the fork" in done.stderr


def test_the_notebooks_names_are_those_of_main(run):
    done = run(
        """
        import pickle, sys
        count = 1
        def bump():
            global count
            count += 1
        def main():
            bump()
            here = sys.modules["__main__"]
            return here.count, here.main is main, pickle.loads(pickle.dumps(bump)) is bump, sys.argv
        """
    )
    assert done.value == (2, True, True, ["main"])


def test_forks_while_output_floods_lose_and_double_nothing(run):
    done = run(
        """
        import multiprocessing
        def chatter(name):
            for number in range(3000):
                print(f"{name} {number}\\n", end="")
        def main():
            context = multiprocessing.get_context("fork")
            for number in range(6000):
                print(f"main {number}\\n", end="")
            others = [context.Process(target=chatter, args=(name,)) for name in "ab"]
            for other in others: other.start()
            chatter("c")
            for other in others: other.join()
        """
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 15_000
    for name in "abc":
        assert [line for line in lines if line[0] == name] == [f"{name} {number}" for number in range(3000)]


def test_a_fork_that_is_ended_at_once_ends(run):
    done = run(
        """
        import os, signal
        def main():
            codes = set()
            for _ in range(200):
                child = os.fork()
                if not child:
                    while True:
                        signal.pause()
                os.kill(child, signal.SIGTERM)
                codes.add(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            return codes
        """
    )
    assert done.value == {-15}
    assert done.stderr == ""
