"""What a run prints: all of it, in order, at once, whoever prints it."""

import itertools

import pytest


def test_prints_are_in_exact_order_with_stderr_and_subprocesses(run):
    done = run(
        """
        import os, subprocess, sys, warnings
        def main():
            for number in range(300):
                print("out", number)
                print("err", number, file=sys.stderr)
            print("before, ", end="")
            subprocess.run(["echo", "echoed"])
            os.system("echo system")
            print("after")
        """
    )
    said = [(body["stream"], line) for body in done.all("text") for line in body["text"].splitlines()]
    expected = itertools.chain.from_iterable((("stdout", f"out {n}"), ("stderr", f"err {n}")) for n in range(300))
    assert said[:600] == list(expected)
    assert done.stdout.endswith("before, echoed\nsystem\nafter\n")
    assert not done.all("lost")


def test_what_looks_like_a_frame_is_printed_literally_by_python_c_and_a_child_process(run):
    forged = "\x1e" + "0" * 32 + '{"n":9,"t":1,"k":"result","payload":{}}'
    done = run(
        """
        import ctypes, os, subprocess, sys
        def main(forged):
            print(forged)
            sys.stdout.flush()
            libc = ctypes.CDLL(None)
            libc.puts(forged.encode())
            subprocess.run([sys.executable, "-c", f"print({forged!r})"])
            print(forged, file=sys.stderr)
            os.write(2, forged.encode() + b"\\n")
        """,
        forged,
    )
    assert done.stdout == f"{forged}\n" * 3
    assert done.stderr == f"{forged}\n" * 2
    assert done.value is None


@pytest.mark.parametrize(
    ("ending", "code", "ename"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", 128 + 9, "signal"),
        ("ctypes.string_at(0)", 128 + 11, "signal"),
        ("os._exit(7)", 7, "exit"),
        ("os._exit(0)", 1, "exit"),
    ],
)
def test_a_print_just_before_a_crash_is_not_lost(run, ending, code, ename):
    done = run(
        f"""
        import ctypes, os, signal
        def main():
            for number in range(1000):
                print("line", number)
            print("the last words")
            {ending}
        """
    )
    assert "the last words\n" in done.stdout
    assert (done.code, done.failure["ename"]) == (code, ename)
    assert not done.all("result")


def test_a_flood_is_complete_and_in_order_also_with_forks_and_exits_in_its_midst(run):
    done = run(
        """
        import os, subprocess
        def main():
            for number in range(200_000):
                print(number)
                if number % 50_000 == 49_999:
                    print("in the midst", end=" ")
                    if not os.fork():
                        print("forked")
                        os._exit(0)
                    os.wait()
                    subprocess.run(["echo", "started"])
            os._exit(0)
        """
    )
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.isdigit()] == [str(number) for number in range(200_000)]
    others = [(at, line) for at, line in enumerate(lines) if not line.isdigit()]
    assert [line for _, line in others] == ["in the midst forked", "started"] * 4
    assert [lines[at - 1] for at, line in others if line != "started"] == ["49999", "99999", "149999", "199999"]
    assert not done.all("lost")


def test_a_line_is_published_while_the_function_goes_on(runner):
    started = runner(
        """
        import time
        def main():
            print("hello")
            print("half a line", end="")
            while True:
                time.sleep(60)
        """
    ).start()
    started.until("hello\n").until("half a line")
    started.terminate().end()
    assert started.failure["ename"] == "cancelled"


def test_c_code_prints_at_once_and_in_order(runner):
    started = runner(
        """
        import ctypes, time
        def main():
            libc = ctypes.CDLL(None)
            print("python")
            libc.puts(b"from C")
            print("python again")
            libc.puts(b"C again")
            while True:
                time.sleep(60)
        """
    ).start()
    started.until("C again\n")
    assert started.stdout == "python\nfrom C\npython again\nC again\n"
    started.terminate().end()


def test_threads_that_still_print_at_return_are_heard_and_daemons_abort_nothing(run):
    done = run(
        """
        import threading, time
        def main():
            def late():
                for number in range(20):
                    print(f"late {number}\\n", end="")
                    time.sleep(0.005)
            def forever():
                while True:
                    print("tick\\n", end="")
            threading.Thread(target=late).start()
            threading.Thread(target=forever, daemon=True).start()
            globals()["kept"] = open("left open.txt", "w")
            kept.write("written\\n")
            return "value"
        """
    )
    assert done.value == "value"
    assert done.code == 0
    assert [line for line in done.stdout.splitlines() if "late" in line] == [f"late {n}" for n in range(20)]
    assert (done.folder / "work" / "left open.txt").read_text() == "written\n"


def test_unicode_and_bars_come_out_as_in_a_terminal(run):
    done = run(
        """
        import sys, os
        from tqdm import tqdm, trange
        from tqdm.auto import tqdm as auto
        def main():
            text = "naïve 世界 🚀"
            for byte in text.encode() + b"\\n":
                os.write(1, bytes([byte]))
            for _ in tqdm(range(30_000), desc="text", colour="green", mininterval=0): pass
            for _ in auto(range(300), desc="auto"): pass
            sys.stdout.write("\\r 50%\\r100%\\n")
        """
    )
    assert done.stdout.splitlines()[0] == "naïve 世界 🚀"
    assert done.stdout.splitlines()[-1] == "100%"
    bars = done.stderr.split("\n")
    assert "30000/30000" in bars[0].rpartition("\r")[2]
    assert "300/300" in bars[1].rpartition("\r")[2]
    assert len(done.stderr) < 20_000


def test_one_line_of_megabytes_and_bytes_that_are_no_text_come_through(run):
    done = run(
        """
        import os, sys
        def main(size):
            print("é" * size)
            sys.stdout.write("y" * size)
            sys.stdout.flush()
            os.write(1, b"\\xff\\xfe\\n")
            sys.stdout.buffer.write(bytearray(b"bytes\\n"))
            for number in range(20_000):
                print("err", number, file=sys.stderr)
        """,
        1_000_000,
    )
    assert done.stdout == "é" * 1_000_000 + "\n" + "y" * 1_000_000 + "\ufffd\ufffd\nbytes\n"
    assert done.stderr == "".join(f"err {number}\n" for number in range(20_000))
    assert not done.all("lost")


def test_a_heartbeat_carries_the_memory_of_the_whole_tree(runner):
    started = runner(
        """
        import subprocess, sys, time
        def main():
            hold = "import time; held = bytearray(64 << 20); print('held', flush=True); time.sleep(600)"
            subprocess.run([sys.executable, "-c", hold])
        """,
        heartbeat=0.01,
    ).start()
    started.until("held\n")
    before = len(started.all("metric"))
    while len(started.all("metric")) < before + 2:
        started.read()
    started.terminate().end()
    assert started.all("metric")[-1]["name"] == "memory"
    assert max(metric["value"] for metric in started.all("metric")) > 64 << 20


def test_logging_has_the_kernels_level_and_a_warning_is_shown_once_with_the_users_line(run):
    source = """
        import logging, warnings
        def main():
            for _ in range(3):
                warnings.warn("be careful")
            logging.info("info")
            logging.getLogger("mine").warning("warned")
        """
    warned = '<cell 1>:5: UserWarning: be careful\n  warnings.warn("be careful")\n'
    assert run(source).stderr == warned + "WARNING:mine:warned\n"
    assert run(source, log_level=20).stderr == warned + "INFO:root:info\nWARNING:mine:warned\n"


def test_the_state_of_a_slow_bar_is_seen_at_most_twice_a_second(run):
    done = run(
        """
        import sys, time
        def main():
            for number in range(60):
                sys.stderr.write(f"\\r{number:4}")
                sys.stderr.flush()
                time.sleep(0.02)
        """
    )
    states = [body for body in done.all("text") if body["stream"] == "stderr"]
    times = [item.time for item in done.items if item.kind == "text"]
    assert states[-1]["text"].endswith("59")
    assert 2 <= len(states) <= 2 + (times[-1] - times[0]) / 0.45
