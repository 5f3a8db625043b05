"""A run in a terminal, in a pipe and in a file."""

import io
import os
import pty
import re
import signal
import subprocess
import sys
import tracemalloc

import fairing
from fairing.events import Display, Lost, Source, Stamp, Status, Text
from fairing.output.card import Head
from fairing.output.file import File
from fairing.output.terminal import Terminal


def at(index=0, role="worker"):
    return Stamp(Source(role, index), 0.0)


PROGRAM = """
import fairing, sys
def talk(n):
    import sys, time
    for i in range(n):
        print("line", i, flush=True)
        time.sleep(0.2)
    print("to stderr", file=sys.stderr)
    return n
if __name__ == "__main__":
    print("value", fairing.train(talk, (4,)))
"""


def program(tmp_path):
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    return [sys.executable, str(file)]


def test_in_a_pipe_stdout_is_the_run_s_alone_and_phases_are_plain_lines_on_stderr(tmp_path):
    ran = subprocess.run(program(tmp_path), capture_output=True, text=True, check=True)
    assert ran.stdout == "line 0\nline 1\nline 2\nline 3\nvalue 4\n"
    assert "\r" not in ran.stderr and "\x1b" not in ran.stderr
    assert "to stderr\n" in ran.stderr
    lines = [line for line in ran.stderr.splitlines() if line.startswith("talk · ")]
    assert lines[-1].startswith("talk · done in ") and len(lines) == len(set(lines))
    phases = [re.findall(r"^talk · (\w+)", line)[0] for line in lines]
    assert list(dict.fromkeys(phases)) == ["building", "starting", "running", "done"]


def test_in_a_terminal_one_line_under_the_output_says_how_it_is(tmp_path):
    ours, theirs = pty.openpty()
    with subprocess.Popen(program(tmp_path), stdin=theirs, stdout=theirs, stderr=theirs) as ran:
        os.close(theirs)
        seen = b""
        while True:
            try:
                data = os.read(ours, 65536)
            except OSError:  # Linux says so when the other end is closed
                break
            if not data:
                break
            seen += data
        assert ran.wait() == 0
    os.close(ours)
    text = seen.decode()
    assert "\r\x1b[K" in text and "talk · running" in text
    left = [re.sub(r"\x1b\[\d*m", "", line.split("\r\x1b[K")[-1]) for line in text.replace("\r\n", "\n").split("\n")]
    shown = [line for line in left if line]
    assert [line for line in shown if line.startswith("line")] == [f"line {index}" for index in range(4)]
    assert shown[-2].startswith("talk · done") and shown[-1] == "value 4"


def test_what_is_displayed_is_shown_as_text():
    out, err = io.StringIO(), io.StringIO()
    screen = Terminal(Head("f"), out, err)
    screen.show(Display(at(), {"text/plain": "a table", "text/html": "<table>"}))
    screen.show(Lost(at(), "3 lines of stdout"))
    screen.close()
    assert out.getvalue() == "a table\n" and err.getvalue() == "(lost: 3 lines of stdout)\n"


def test_a_file_holds_each_line_in_its_final_state_and_both_streams_in_order():
    out = io.StringIO()
    sink = File(out)
    for text, stream in (
        ("a\n", "stdout"),
        ("\r10%", "stderr"),
        ("b\n", "stdout"),
        ("\r99%\n", "stderr"),
        ("c", "stdout"),
    ):
        sink.show(Text(at(), text, stream))
    sink.close()
    assert out.getvalue() == "a\nb\n99%\nc\n"


def test_a_file_of_several_replicas_says_whose_each_line_is():
    out = io.StringIO()
    sink = File(out, replicas=2)
    sink.show(Text(at(0), "a\nb\n"))
    sink.show(Text(at(1), "c\n"))
    sink.show(Text(at(0, "run"), "d\n"))
    sink.close()
    assert out.getvalue() == "[worker-0] a\n[worker-0] b\n[worker-1] c\nd\n"


def test_a_log_of_any_length_takes_no_more_memory(tmp_path):
    block = Text(at(), "a line of a long log\n" * 3000)
    peaks = []
    for count in (20, 400):
        with (tmp_path / "log").open("w") as out:
            sink = File(out)
            tracemalloc.start()
            for _ in range(count):
                sink.show(block)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
            sink.close()
    assert peaks[1] < peaks[0] + 100_000


def test_a_phase_is_said_once():
    out, err = io.StringIO(), io.StringIO()
    screen = Terminal(Head("f"), out, err, clock=lambda: 0.0)
    for _ in range(3):
        screen.show(Status(at(0, "run"), "running"))
    screen.close()
    assert err.getvalue().count("running") == 1


def test_what_a_run_waits_for_is_written_whole_where_the_line_has_no_room_for_it():
    class Screen(io.StringIO):
        def isatty(self):
            return True

    out = Screen()
    screen = Terminal(Head("f"), out, out, clock=lambda: 0.0)
    reason = "no node can take it: " + "it asks for more than there is, " * 9 + "ask for less."
    screen.show(Status(at(0, "run"), "pending", reason))
    screen.close()
    assert f"f · starting · {reason}\n" in out.getvalue()


def test_ctrl_c_in_a_program_leaves_the_run_going_and_says_how_to_follow_it(tmp_path):
    file = tmp_path / "program.py"
    file.write_text(PROGRAM.replace("(4,)", "(400,)"))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, str(file)], **pipes) as ran:
        assert ran.stdout.readline() == "line 0\n"
        ran.send_signal(signal.SIGINT)
        _, said = ran.communicate(timeout=60)
    last = said.rstrip().splitlines()[-1]
    assert ran.returncode != 0 and "The run goes on" in last
    job = fairing.attach(re.search(r'attach\("(local://[^"]+)"\)', last)[1])
    assert job.status.phase == "running"
    job.cancel()
    assert job.logs().startswith("line 0\n")


def test_a_program_without_output_runs_as_any_other(tmp_path):
    left = tmp_path / "left.txt"
    file = tmp_path / "program.py"
    file.write_text(
        "import fairing, pathlib\nvalue = fairing.train(pow, (2, 5))\n"
        f"pathlib.Path({str(left)!r}).write_text(str(value))\n"
    )
    closed = 'exec "$0" "$1" >&- 2>&-'
    assert subprocess.run(["sh", "-c", closed, sys.executable, str(file)], check=False).returncode == 0
    assert left.read_text() == "32"


def test_what_an_encoding_lacks_is_written_in_ascii():
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="latin-1")
    terminal = Terminal(Head("train"), out, out)
    terminal.show(Text(at(), "über \U0001f600\n"))
    terminal.close()
    assert raw.getvalue() == b"\xfcber \\U0001f600\n"
