"""The ``fairing`` command, as a process of its own."""

import inspect
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import fairing as api
from fairing.config.options import NAMES
from fairing.verbs import VERBS

HEAVY = [
    "IPython",
    "kubernetes",
    "docker",
    "papermill",
    "nbconvert",
    "nbformat",
    "numpy",
    "pandas",
    "matplotlib",
    "rich",
]


def handle(done):
    return re.search(r"local://[\w-]+", done.stdout + done.stderr)[0]


def test_every_verb_is_part_of_the_api_and_of_the_command_and_of_the_magic(fairing):
    """Nothing works in one and not in another; ``use`` alone means nothing in a process that ends."""
    listed = set(re.findall(r"^  (\w+)  ", fairing("--help").stdout, re.MULTILINE))
    assert listed == {name for name, verb in VERBS.items() if verb.shell}
    assert {name for name, verb in VERBS.items() if not verb.shell} == {"use"}
    for verb in VERBS.values():
        owner, _, name = verb.api.rpartition(".")
        assert callable(getattr(api.Job if owner else api, name)) or isinstance(
            inspect.getattr_static(api.Job, name), property
        )
    typed = {verb.api for verb in VERBS.values()} | {"run_script", "run_notebook"}  # both are run
    typed |= {"run_cell", "remote"}  # %%fairing, and what decorates
    nouns = {name for name in api.__all__ if name[0].isupper()}
    assert {name for name in typed if "." not in name} | nouns == set(api.__all__)


def test_what_a_job_can_do_has_a_verb():
    public = {name for name in vars(api.Job) if not name.startswith("_")}
    verbs = {verb.api.partition(".")[2] for verb in VERBS.values() if verb.api.startswith("Job.")}
    elsewhere = {"follow", "save", "wait"}  # attach, result --save, result
    elsewhere |= {"events", "beats", "carded", "report"}  # these are for programs
    assert public - verbs - elsewhere == set()


@pytest.mark.parametrize(
    "verb", [verb for verb in VERBS.values() if verb.options and verb.shell], ids=lambda verb: verb.name
)
def test_a_verb_that_runs_something_takes_every_option(fairing, verb):
    shown = fairing(verb.name, "--help").stdout
    assert {f"--{name.replace('_', '-')}" for name in NAMES} <= set(re.findall(r"--[\w-]+", shown))


def test_nothing_heavy_is_imported_for_help():
    program = (
        "import sys\nfrom fairing.cli import application\nfrom typer.testing import CliRunner\n"
        "assert CliRunner().invoke(application(), ['--help']).exit_code == 0\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_installed_command_says_its_version():
    command = Path(sys.executable).parent / "fairing"
    if not command.exists():
        command = shutil.which("fairing")
    done = subprocess.run([command, "--version"], capture_output=True, text=True)
    assert done.stdout.strip() == api.__version__


def test_a_script_runs_with_its_arguments_and_its_exit_code_is_the_commands(fairing):
    (fairing.folder / "train.py").write_text("import sys\nprint('got', sys.argv[1:])\nsys.exit(int(sys.argv[1]))\n")
    done = fairing("run", "train.py", "--", "0", "--depth", "8")
    assert done.returncode == 0
    assert "got ['0', '--depth', '8']" in done.stdout
    done = fairing("run", "train.py", "--name", "named", "--", "3")
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "local://named-" in done.stdout + done.stderr


def test_a_function_of_a_module_runs_and_its_value_is_printed(fairing):
    (fairing.folder / "work_of_cli.py").write_text("def train(depth, step='x'):\n    return {depth: step}\n")
    done = fairing("run", "work_of_cli:train", "-p", "depth=8", "-p", "step=y")
    assert done.returncode == 0, done.stderr
    assert "{8: 'y'}" in done.stdout


def test_an_exception_of_the_run_is_shown_once_and_fails_the_command(fairing):
    (fairing.folder / "fails.py").write_text("def fail():\n    raise LookupError('depth')\nfail()\n")
    done = fairing("run", "fails.py")
    assert done.returncode == 1
    shown = done.stdout + done.stderr
    assert "raise LookupError('depth')" in shown
    assert "fairing/verbs.py" not in shown


def test_a_notebook_runs_with_its_parameters(fairing):
    cells = [
        nbformat.v4.new_code_cell("depth = 1", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell("print('d', depth)"),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), fairing.folder / "report.ipynb")
    done = fairing("run", "report.ipynb", "-p", "depth=8")
    assert done.returncode == 0, done.stdout + done.stderr
    executed = [path for path in fairing.folder.glob("*.ipynb") if path.name != "report.ipynb"]
    assert "d 8" in executed[0].read_text()


def test_every_verb_about_a_run_takes_its_handle(fairing):
    (fairing.folder / "later_of_cli.py").write_text(
        "def train():\n    print('hello')\n    open('left.txt', 'w').write('abc')\n    return [1, 2]\n"
    )
    started = fairing("submit", "later_of_cli:train")
    assert started.returncode == 0, started.stderr
    run = handle(started)
    assert "[1, 2]" in fairing("result", run).stdout
    assert "hello" in fairing("logs", run).stdout
    assert "succeeded" in fairing("status", run).stdout
    assert "hello" in fairing("attach", run).stdout
    assert "left.txt" in fairing("files", run).stdout
    assert fairing("download", run, "*.txt", "--to", "got").returncode == 0
    assert (fairing.folder / "got" / "left.txt").read_text() == "abc"
    assert fairing("result", run, "--save", "value.pkl").returncode == 0
    assert (fairing.folder / "value.pkl").exists()
    assert run in fairing("jobs").stdout
    assert fairing("cancel", run).returncode == 0
    assert fairing("delete", run).returncode == 0
    assert run not in fairing("jobs").stdout


def test_a_value_that_cannot_be_loaded_here_is_had_as_its_bytes(fairing):
    (fairing.folder / "absent_of_cli.py").write_text(
        "import sys, types\n"
        "def train():\n"
        "    made = sys.modules['absent_in_cli'] = types.ModuleType('absent_in_cli')\n"
        "    exec('class Model: pass', made.__dict__)\n"
        "    return made.Model()\n"
    )
    run = handle(fairing("submit", "absent_of_cli:train"))
    refused = fairing("result", run)
    assert refused.returncode == 1
    assert "needs the package absent_in_cli" in refused.stderr and "fairing result --raw and --save" in refused.stderr
    saved = fairing("result", run, "--save", "value.pkl")
    assert (saved.returncode, saved.stdout) == (0, "value.pkl\n")
    raw = fairing("result", run, "--raw", text=False)
    assert raw.returncode == 0 and b"absent_in_cli" in raw.stdout
    assert raw.stdout == (fairing.folder / "value.pkl").read_bytes()


def test_deleting_a_run_that_is_not_there_says_so(fairing):
    gone = fairing("delete", "local://unknown")
    assert (gone.returncode, gone.stdout) == (0, "There is no run local://unknown on this machine.\n")


def test_preview_build_images_and_prune_answer(fairing):
    assert fairing("images", FAIRING_HOME=str(fairing.folder / "home")).stdout == "no images\n"
    (fairing.folder / "train.py").write_text("print('x')\n")
    assert "train.py" in fairing("preview", "train.py").stdout
    digest = re.search(r"sha256:(\w{64})", fairing("build", "train.py").stdout)[1]
    assert re.search(rf"(?m)  train-{digest[:12]}$", fairing("images").stdout)
    assert "Would remove 0 images" in fairing("prune", "--dry-run", "--older-than", "1e9").stdout
    assert "Removed 0 images" in fairing("prune").stdout
    assert re.search(r"used lately stays?: older_than=0", fairing("prune", "--keep", "0").stdout)
    assert "older_than" not in fairing("prune", "--keep", "0", "--older-than", "0").stdout


def test_what_a_verb_prints_another_command_can_take(fairing):
    (fairing.folder / "plain_of_cli.py").write_text(
        "def train():\n    open('left.txt', 'w').write('abc')\n    return 3\n"
    )
    run = fairing("submit", "plain_of_cli:train").stdout
    assert re.fullmatch(r"local://[\w-]+\n", run)
    run = run.strip()
    assert fairing("result", run, "--timeout", "60").stdout == "3\n"
    assert fairing("result", run, "--save", "value.pkl").stdout == "value.pkl\n"
    assert fairing("download", run).stdout == "left.txt\n"
    assert fairing("attach", run).stdout == ""
    assert fairing("preview", "plain_of_cli:train").stdout.startswith("train (function)\n")


def test_a_wait_that_is_too_long_is_told_in_a_sentence(fairing):
    (fairing.folder / "slow_of_cli.py").write_text("import time\ndef train():\n    time.sleep(600)\n")
    run = fairing("submit", "slow_of_cli:train").stdout.strip()
    waited = fairing("result", run, "--timeout", "0")
    assert (waited.returncode, waited.stderr) == (1, f"TimeoutError: {run} is still running; it goes on.\n")
    assert fairing("delete", run).returncode == 0


def test_ctrl_c_leaves_the_run_going_and_says_the_commands(fairing):
    (fairing.folder / "loop.py").write_text("import time\nprint('begun', flush=True)\ntime.sleep(600)\n")
    line = [sys.executable, "-c", "from fairing.cli import main; main()", "run", "loop.py"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(line, cwd=fairing.folder, **pipes) as ran:
        assert ran.stdout.readline() == "begun\n"
        ran.send_signal(signal.SIGINT)
        _, told = ran.communicate(timeout=60)
    run = re.search(r"The run goes on: fairing attach (\S+) shows it, fairing cancel \1 stops it\.\n$", told)[1]
    assert ran.returncode == 130
    assert fairing("cancel", run).returncode == 0
    assert "cancelled" in fairing("status", run).stdout


def test_a_dry_run_prints_the_recipe_and_runs_nothing(fairing):
    (fairing.folder / "train.py").write_text("import cloudpickle\nprint('ran')\n")
    before = fairing("jobs").stdout
    done = fairing("run", "train.py", "--dry-run")
    assert done.returncode == 0
    assert re.search(r"^base +host$", done.stdout, re.MULTILINE)
    assert "cloudpickle==" in done.stdout and "train.py" in done.stdout
    assert "ran" not in done.stdout.split()
    assert fairing("jobs").stdout == before


def test_config_shows_each_value_and_where_it_came_from(fairing):
    (fairing.folder / "fairing.toml").write_text("retries = 3\n")
    shown = fairing("config", "--workers", "2", FAIRING_TIMEOUT="90").stdout
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in shown.splitlines()}
    assert rows["retries"] == f"3 {fairing.folder / 'fairing.toml'}, line 1"
    assert rows["timeout"] == "90.0 FAIRING_TIMEOUT"
    assert rows["workers"] == "2 the call"


def test_doctor_fails_where_something_will_not_do(fairing):
    assert fairing("doctor").returncode == 0
    (fairing.folder / "fairing.toml").write_text("gpuz = 3\n")
    done = fairing("doctor")
    assert done.returncode == 1
    assert "Did you mean 'gpus'" in done.stdout


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["rn"], 2, "No such command 'rn'"),
        (["run"], 2, "subject"),
        (["run", "train.py", "--gpu", "1"], 2, "--gpus"),
        (["run", "train.py", "--gpus", "many"], 1, "ConfigError: gpus='many' is not possible"),
        (["run", "absent.py"], 1, "CaptureError: There is no file 'absent.py'"),
        (["run", "folder.py"], 1, "CaptureError: folder.py is a folder."),
        (["run", "json:nothing"], 1, "ConfigError: There is nothing to run called 'json:nothing'"),
        (["prune", "--older-than", "nan"], 1, "ConfigError: older_than='nan' is not possible"),
        (["run", "absent_of_cli:train"], 1, "cannot be imported"),
        (["run", "train"], 1, "nothing to run called 'train'"),
        (["logs", "nothing"], 1, "not the handle of a run"),
        (["status", "local://nothing"], 1, "no run"),
        (["run", "train.py", "--target", "locl"], 1, "Did you mean 'local'"),
    ],
)
def test_a_wrong_line_is_refused_in_one_sentence(fairing, words, code, says):
    (fairing.folder / "train.py").write_text("")
    (fairing.folder / "folder.py").mkdir()
    done = fairing(*words)
    assert (done.returncode, says in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr


def test_options_of_a_cluster_are_typed_in_a_shell_as_in_a_cell(fairing):
    typed = ["--gpus", "a100:2", "--volumes", "/data=pvc:data", "--volumes", "/x=emptydir", "--no-suspend"]
    shown = fairing("config", *typed, "--tolerations", "gpu=yes:NoSchedule", "--labels", "team=vision").stdout
    for text in ("a100:2", '/data={"persistentVolumeClaim"', '/x={"emptyDir"', "gpu=yes:NoSchedule", "team=vision"):
        assert text in shown
