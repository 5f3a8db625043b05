"""Any line either reads, or is refused in a sentence."""

import json
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairing.config.options import NAMES, PAIRS, options
from fairing.errors import ConfigError, FairingError
from fairing.jupyter import line
from fairing.verbs import VERBS

OPTIONS = [f"--{name.replace('_', '-')}" for name in NAMES]
words = (
    st.sampled_from(
        [*OPTIONS, *NAMES, "-p", "-o", "--", "-h", "--no-trust", "'*'", "{x}", "$x", "{", "}", "'", "=", "a=1"]
    )
    | st.text(max_size=8)
    | st.text("{}$'\"\\=- x", max_size=8)
)
lines = st.lists(words, max_size=6).map(" ".join)


@given(st.sampled_from(sorted(VERBS)), lines)
def test_any_line_after_a_verb_reads_or_is_refused(name, text):
    verb = VERBS[name]
    try:
        read = line.read(
            line.tokens(text, {"x": 1}),
            verb.words,
            verb.flags,
            options=verb.options,
            tail=verb.tail,
            name=f"%fairing {name}",
        )
        if read is not None:
            options(read[1])
    except FairingError as refused:
        assert refused.what.endswith(".")


@given(lines)
def test_any_line_of_a_cell_reads_or_is_refused(text):
    try:
        line.read(line.tokens(text, {"x": 1}), (), line.CELL, options=True, tail=False, name="%%fairing")
    except FairingError as refused:
        assert refused.what.endswith(".")


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="{}$\ue000"), min_size=1), max_size=4)
)
def test_quoted_words_come_through_as_a_shell_reads_them(given_words):
    assert line.tokens(shlex.join(given_words), {}) == given_words


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ue000"), min_size=1), max_size=4))
def test_doubled_signs_stand_for_themselves(given_words):
    escaped = [word.replace("$", "$$").replace("{", "{{").replace("}", "}}") for word in given_words]
    assert line.tokens(shlex.join(escaped), {}) == given_words


@pytest.mark.parametrize("name", NAMES)
def test_an_option_reads_the_same_as_text_and_as_a_value(name):
    """The option as the magics read it, against the option as Python has it."""
    values = {"trust": True, "trust_html": True, "dry_run": True, "suspend": True, "dependencies": "resolved"}
    values |= {"limits": "best-effort", "on_interrupt": "cancel", "kind": "job"}
    values |= dict.fromkeys(("memory", "max_size", "log_limit", "storage"), "2Gi")
    values |= {"artifacts": "s3://bucket/runs", "tpu": "v5e:2x4", "tolerations": "gpu=yes:NoSchedule"}
    values |= {each: {"A": "1"} for each in ("env", "labels", "annotations", "node_selector")}
    values |= {"secrets": {"/run/key": "KEY"}, "resources": {"a.com/b": "1"}, "volumes": {"/data": "pvc:data:ro"}}
    values |= {"affinity": {"nodeAffinity": {}}, "pod": {"spec": {"hostNetwork": True}}}
    counts = ("workers", "gpus", "retries", "cpu", "timeout", "start_timeout", "grace", "linger", "ttl")
    values |= dict.fromkeys(counts, 2)
    value = values.get(name, "some")
    text = json.dumps(value) if name in {"affinity", "pod"} else value
    text = "=".join(*value.items()) if name in PAIRS else text
    typed = f"--{name.replace('_', '-')}" + ("" if value is True else f" {shlex.quote(str(text))}")
    typed = typed.replace("{", "{{").replace("}", "}}")
    read = line.read(line.tokens(typed, {}), (), (), options=True, tail=False, name="x")
    assert options(read[1]) == options({name: value})


def test_an_expression_may_have_spaces_and_quotation_marks():
    assert line.tokens("run --name {d['a b'] + ' c'}", {"d": {"a b": "x"}}) == ["run", "--name", "x c"]


def test_a_sign_that_was_meant_for_itself_says_how_to_write_it():
    with pytest.raises(ConfigError, match=r"Write \{\{ for the character itself"):
        line.tokens("""--env 'A={"a": 1}'""", {})


def test_the_notebooks_own_tables_lists_and_functions_are_values_of_options():
    def patched(template):
        return template

    names = {
        "volumes": {"/data": {"csi": {"driver": "d.example.com"}}, "/scratch": "emptydir"},
        "toleration": {"key": "gpu", "operator": "Exists"},
        "tolerations": ["spot", {"key": "gpu"}],
        "affinity": {"nodeAffinity": {}},
        "patched": patched,
    }
    for typed, meant in (
        ("--volumes $volumes", {"volumes": names["volumes"]}),
        ("--tolerations $toleration", {"tolerations": [names["toleration"]]}),
        ("--tolerations $tolerations", {"tolerations": names["tolerations"]}),
        ("--tolerations spot --tolerations gpu=yes:NoSchedule", {"tolerations": ["spot", "gpu=yes:NoSchedule"]}),
        ("--affinity $affinity --pod $patched", {"affinity": names["affinity"], "pod": patched}),
        ("--gpus a100:{1 + 1} --no-suspend", {"gpus": "a100:2", "suspend": False}),
    ):
        read = line.read(line.tokens(typed, names), (), (), options=True, tail=False, name="x")
        assert options(read[1]) == options(meant)
