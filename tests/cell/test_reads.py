"""The names that a cell reads before it sets them: no more than is needed, and never too few."""

import ast
import builtins
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairing.capture import reads
from fairing.capture.cell import python

CASES = {
    "b = a + 1\nc = b": {"a"},
    "a = 1\nb = a": set(),
    "a += 1": {"a"},
    "a: int = b": {"b", "int"},
    "for i in items:\n    total = i\ntotal": {"items", "total"},
    "if x:\n    y = 1\nelse:\n    y = 2\ny": {"x"},
    "if x:\n    y = 1\ny": {"x", "y"},
    "while go:\n    go = False": {"go"},
    "try:\n    a = f()\nexcept E as e:\n    a = e\na": {"f", "E"},
    "try:\n    a = f()\nexcept E:\n    pass\na": {"f", "E", "a"},
    "with open_it() as f:\n    f.read()": {"open_it"},
    "def f(x, y=default):\n    return x + helper(y) + f(x)": {"default", "helper"},
    "def f():\n    global n\n    n += 1": {"n"},
    "def f():\n    def g():\n        return outer + x\n    x = 1\n    return g": {"outer"},
    "class A(Base):\n    size = width\n    double = size * 2\n    def m(self):\n        return other, self.size": {
        "Base",
        "width",
        "other",
    },
    "@decorate\nclass A:\n    pass": {"decorate"},
    "g = lambda x: x + bias": {"bias"},
    "[x * k for x in rows if x in allowed]": {"k", "rows", "allowed"},
    "{a: b for a, b in pairs}": {"pairs"},
    "f'{value:>{width}}'": {"value", "width"},
    "import numpy as np\nnp.array(data)": {"data"},
    "from os import path\npath.join(a)": {"a"},
    "(n := size) + n": {"size"},
    "del a\na": {"a"},
    "a = b = c\nd[b] = a.e": {"c", "d"},
    "x, (y, *z) = data": {"data"},
    "match command:\n    case {'go': where, **rest} if where in places:\n        where": {"command", "places"},
    "frame.query('size > @least')": {"frame", "least"},
    "!echo {n + 1} $name $$HOME": {"get_ipython", "n", "name"},
    "%timeit -n 10 f(x)": {"get_ipython", "f", "x"},
    "files = !ls\nfiles": {"get_ipython"},
    "await fetch(url)": {"fetch", "url"},
    "async def f():\n    async for x in source:\n        yield x": {"source"},
    "print(x, __name__)": {"print", "x"},
}


@pytest.mark.parametrize("text", CASES)
def test_a_cell_asks_for_what_it_reads_and_nothing_else(text):
    assert set(reads.names(ast.parse(python(text))).read) == CASES[text]


def test_what_a_cell_may_set_is_known():
    tree = ast.parse(
        "import a.b, c as d\nfor e in x:\n    f = 1\ndef g():\n    global h\n    h = 1\n[(i := 1) for j in x]"
    )
    assert reads.names(tree).set == {"a", "d", "e", "f", "g", "h", "i"}
    assert reads.names(ast.parse("from x import *")).star


NAMES = "abcd"
expressions = st.recursive(
    st.sampled_from([*NAMES, "1"]),
    lambda inner: (
        st.builds("({} + {})".format, inner, inner)
        | st.builds("[{1} for {0} in range(2)][0]".format, st.sampled_from(NAMES), inner)
        | st.builds("(lambda {0}: {1})(2)".format, st.sampled_from(NAMES), inner)
        | st.builds("({0} := {1})".format, st.sampled_from(NAMES), inner)
    ),
    max_leaves=3,
)


def indented(body):
    return "\n".join("    " + row for row in body.split("\n"))


statements = st.recursive(
    st.builds("{} = {}".format, st.sampled_from(NAMES), expressions)
    | st.builds("{} += {}".format, st.sampled_from(NAMES), expressions)
    | st.builds("del {}".format, st.sampled_from(NAMES)),
    lambda inner: (
        st.builds("{}\n{}".format, inner, inner)
        | st.builds("if {} > 3:\n{}\nelse:\n{}".format, expressions, inner.map(indented), inner.map(indented))
        | st.builds("for {} in range({} % 2):\n{}".format, st.sampled_from(NAMES), expressions, inner.map(indented))
        | st.builds(
            "try:\n{}\nexcept NameError as {}:\n{}".format,
            inner.map(indented),
            st.sampled_from(NAMES),
            inner.map(indented),
        )
        | st.builds(
            "def {0}():\n    return {1}\n{2} = {0}()".format,
            st.sampled_from(NAMES),
            expressions,
            st.sampled_from(NAMES),
        )
        | st.builds("class K:\n{}\n{} = K".format, inner.map(indented), st.sampled_from(NAMES))
    ),
    max_leaves=6,
)


def outcome(text, namespace):
    try:
        exec(compile(text, "cell", "exec"), namespace)
    except Exception as error:  # noqa: BLE001 - how it ends is what is compared
        ended = type(error).__name__
    else:
        ended = "ended"
    return ended, {name: value for name, value in namespace.items() if name in NAMES and isinstance(value, int)}


@given(statements, st.randoms())
def test_a_cell_that_has_only_what_it_reads_does_what_it_does_in_the_notebook(text, chance: random.Random):
    """The same cell, run with every name of the notebook and with those that it is said to read."""
    try:
        tree = ast.parse(text)
        compile(tree, "cell", "exec")
    except SyntaxError:
        return  # such as a walrus that rebinds a comprehension's own name
    notebook = {name: chance.randint(0, 9) for name in NAMES}
    wanted = reads.names(tree).read
    here = outcome(text, dict(notebook))
    there = outcome(text, {name: notebook[name] for name in wanted if name in notebook})
    assert there[0] == here[0]
    assert there[1] == {name: value for name, value in here[1].items() if name in there[1] or value != notebook[name]}
    assert all(name in notebook or hasattr(builtins, name) or name == "K" for name in wanted)
