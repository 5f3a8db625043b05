"""What is typed as ``%fairing`` and ``%%fairing``, in a real shell."""

import pytest
from IPython.utils.capture import capture_output

import fairing
from fairing.errors import CaptureError, ConfigError, FairingError, ResultRefused, RunFailed
from fairing.verbs import VERBS


def magics(shell):
    return {kind: set(names) for kind, names in shell.magics_manager.magics.items()}


def test_loading_registers_exactly_two_magics_and_unloading_takes_them_away(shell):
    shell.run_line_magic("unload_ext", "fairing")
    before, matchers = magics(shell), list(shell.Completer.custom_matchers)
    shell.run_line_magic("load_ext", "fairing")
    after = magics(shell)
    assert after["line"] - before["line"] == {"fairing"}
    assert after["cell"] - before["cell"] == {"fairing"}
    assert len(shell.Completer.custom_matchers) == len(matchers) + 1
    shell.run_line_magic("unload_ext", "fairing")
    assert magics(shell) == before
    assert shell.Completer.custom_matchers == matchers


def test_a_function_of_the_notebook_runs_with_its_arguments(run):
    run("def train(depth, step=1):\n    return depth * 2 + step")
    run("n = [3]")
    assert run("%fairing run train -p depth=8") == 17
    assert run("%fairing run train -p depth=$n -p step={n + [1]}") == [3, 3, 3, 1]


def test_submit_gives_a_job_to_a_name(run, shell):
    run("def train():\n    return 7")
    run("job = %fairing submit train --name 'my run'")
    assert isinstance(shell.user_ns["job"], fairing.Job)
    assert shell.user_ns["job"].result() == 7
    assert "my-run" in str(shell.user_ns["job"].handle)


def test_every_verb_about_a_run_takes_its_handle(run, shell, tmp_path):
    run("def train():\n    print('hello')\n    open('left.txt', 'w').write('abc')\n    return [1, 2]")
    run("job = %fairing submit train")
    assert run("%fairing result {job.handle}") == [1, 2]
    assert "hello" in run("%fairing logs {job.handle}")
    assert repr(run("%fairing status {job.handle}")).split()[1] == "succeeded"
    assert "left.txt" in repr(run("%fairing files {job.handle}"))
    run("%fairing download {job.handle} '*.txt' --to got")
    assert (tmp_path / "got" / "left.txt").read_text() == "abc"
    run("%fairing result {job.handle} --save value.pkl")
    assert run("%fairing result {job.handle} --raw") == (tmp_path / "value.pkl").read_bytes() != b""
    with capture_output() as shown:
        assert run("%fairing attach {job.handle}").handle == shell.user_ns["job"].handle
    assert "hello" in shown.stdout
    assert str(shell.user_ns["job"].handle) in repr(run("%fairing jobs"))
    run("%fairing cancel {job.handle}")
    assert run("%fairing delete {job.handle}") is None
    assert repr(run("%fairing delete {job.handle}")).startswith("There is no run local://")
    assert str(shell.user_ns["job"].handle) not in repr(run("%fairing jobs"))


def test_a_script_runs_with_what_stands_behind_two_dashes(run, tmp_path):
    (tmp_path / "train.py").write_text("import sys\nprint('got', sys.argv[1:])\n")
    with capture_output() as shown:
        run("%fairing run train.py -- --depth 8 'two words'")
    assert "got ['--depth', '8', 'two words']" in shown.stdout


def test_use_holds_until_it_is_forgotten(run):
    run("%fairing use workers=2 --env A=3")
    shown = repr(run("%fairing config"))
    assert "fairing.use" in shown and "A=3" in shown
    run("%fairing use")
    assert "fairing.use" not in repr(run("%fairing config"))


def test_preview_build_images_prune_and_doctor_answer(run):
    run("def train():\n    return 7")
    assert run("%fairing preview train").entry == "train"
    digest = str(run("%fairing build train"))
    assert digest.startswith("sha256:")
    assert f"train-{digest.removeprefix('sha256:')[:12]}" in repr(run("%fairing images"))
    assert "Would remove" in repr(run("%fairing prune --dry-run --keep 5"))
    assert run("%fairing doctor").good


def test_help_is_shown_in_the_cell(run):
    with capture_output() as shown:
        run("%fairing")
    assert all(f"  {name}" in shown.stdout for name in VERBS)
    with capture_output() as shown:
        run("%fairing run --help")
        run("%%fairing --help\npass")
    assert shown.stdout.count("--gpus VALUE") == 2
    assert "--bring" in shown.stdout


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("%fairing rn train", "Did you mean 'run'"),
        ("%fairing run train --gpu 1", "there is no option --gpu. Did you mean '--gpus'"),
        ("%fairing run train --max-siz 1", "Did you mean '--max-size'"),
        ("%fairing run train --gpus", "--gpus: expected one argument"),
        ("%fairing run train --gpus many", "gpus='many' is not possible"),
        ("%fairing run train -x", "there is no option -x"),
        ("%fairing run", "SUBJECT"),
        ("%fairing run trane", "Did you mean 'train'"),
        ("%fairing run nothing.here:f", "'nothing.here' cannot be imported"),
        ("%fairing run train -p depth", "'depth' is not a parameter"),
        ("%fairing run train --name 'open", "Close the quotation marks"),
        ("%fairing run train --gpus $missing", r"\$missing in '\$missing' has no value"),
        ("%fairing run train --name a-{1/0}", r"\{1/0\} in 'a-\{1/0\}' has no value. ZeroDivisionError"),
        ("%fairing logs", "HANDLE"),
        ("%fairing logs nothing", "not the handle of a run"),
        ("%fairing jobs more", "'more' is too much"),
        ("%fairing use gpuz=1", "Did you mean 'gpus'"),
        ("%fairing run train --target locl", "Did you mean 'local'"),
        ("%fairing prune --keep few", "keep is a whole number"),
        ("%%fairing run\npass", "Write %fairing run"),
        ("%%fairing --gpu 1\npass", "Did you mean '--gpus'"),
        ("%%fairing more\npass", "'more' is too much"),
        ("%%fairing -o a b\npass", "'b' is too much. Names are one word: -o a,b."),
    ],
)
def test_a_wrong_line_is_refused_in_one_sentence(run, line, says):
    run("def train():\n    return 7")
    with pytest.raises(FairingError, match=says) as refused:
        run(line)
    assert len(refused.value._render_traceback_()) == 1


def test_values_are_put_in_word_by_word_and_one_bad_word_spoils_no_other(run):
    run("def train():\n    return 7")
    run("n, label = 2, 'a b'")
    with pytest.raises(ConfigError, match=r"\{nope\}"):
        run("%fairing run train --retries {n} --name {nope}")
    settings = {
        each.name: each.value for each in run("%fairing config --retries {n + 1} --name '$label {n}' --env P=$$n")
    }
    assert (settings["retries"], settings["name"], settings["env"]) == (3, "a b 2", (("P", "$n"),))


def test_lists_and_mappings_of_the_notebook_are_options_too(run):
    run("paths, variables = ['a', 'b'], {'A': 1}")
    shown = {each.name: each.value for each in run("%fairing config --include {paths} --include c --env $variables")}
    assert shown["include"] == ("a", "b", "c")
    assert shown["env"] == (("A", "1"),)


def test_a_cell_runs_elsewhere_with_what_it_reads_and_brings_back_what_is_asked(run, shell):
    run("x = 5\ndef double(n):\n    return 2 * n")
    with capture_output() as shown:
        run("%%fairing -o y,z\nimport os\ny = double(x)\nz = os.environ['FAIRING_RUN']\nw = 1\ny + 1")
    assert shell.user_ns["y"] == 10
    assert shell.user_ns["z"].startswith("cell-")
    assert "w" not in shell.user_ns and "os" not in shell.user_ns
    assert "11" in shown.stdout
    assert "Not brought back: w (int)." in shown.stdout


def test_a_cell_can_be_started_and_gone_on_from(run):
    job = run("%%fairing --submit -o a\na = 3")
    assert job.result() == {"a": 3}


def test_what_a_cell_imports_is_not_said_to_be_left_there(run):
    with capture_output() as shown:
        run("%%fairing\nfrom pathlib import Path\nfrom math import sqrt\nclass Mine: pass\nroot = sqrt(4)")
    assert "Not brought back: Mine (class), root (float).\n" in shown.stdout


def test_what_cannot_be_brought_back_is_named(run):
    with pytest.raises(ResultRefused, match="'made', a generator, cannot be pickled"):
        run("%%fairing -o fine,made\nfine = 1\nmade = (each for each in 'abc')")


def test_the_traceback_of_a_cell_has_the_lines_of_the_cell(run, shell):
    number = shell.execution_count
    with capture_output() as shown:
        done = shell.run_cell("%%fairing\n\nvalue = 1\nvalue / 0\n", store_history=True)
    assert isinstance(done.error_in_exec, ZeroDivisionError)
    assert isinstance(done.error_in_exec.__cause__, RunFailed)
    assert f'File "In[{number}]", line 4' in shown.stdout
    assert "value / 0" in shown.stdout


def test_options_of_a_cell_reach_its_run(run, shell):
    run("%%fairing --env A=3 --name named -o a\nimport os\na = os.environ['A'], os.environ['FAIRING_RUN']")
    assert shell.user_ns["a"][0] == "3"
    assert shell.user_ns["a"][1].startswith("named-")


def test_a_cell_that_asks_for_a_name_it_does_not_set_is_refused_before_it_runs(run):
    before = len(fairing.jobs())
    with pytest.raises(CaptureError, match="Did you mean 'model'"):
        run("%%fairing -o modl\nmodel = 1")
    assert len(fairing.jobs()) == before
