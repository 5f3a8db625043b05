"""Each captured name is listed by its type and its size; a large one warns, a very large one is refused."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from fairing.capture import pickled
from fairing.capture.function import capture
from fairing.config.options import options
from fairing.errors import CaptureError


def listed(captured):
    return {each.name: (each.type, each.size) for each in captured.report.globals}


def test_names_are_listed_by_type_and_size_and_never_by_value():
    table = np.arange(1000)
    word = "sesame-open"

    def train(depth):
        return table.sum(), word, depth

    captured = capture(train, (5,))
    names = listed(captured)
    assert names["table"][0] == "ndarray"
    assert 8000 < names["table"][1] < 8400
    assert names["word"] == ("str", len(pickle.dumps(word, 5)))
    assert names["depth"][0] == "int"
    assert "sesame-open" not in repr(captured.report) + str(captured.report) + captured.report._repr_html_()


def test_a_value_that_two_functions_use_is_counted_and_sent_once():
    table = np.arange(100_000)

    def one():
        return table[0]

    def train():
        return one(), table[1]

    captured = capture(train)
    entry = captured.bundle.files[-1].read()
    assert len(entry) < 1.1 * table.nbytes
    function = pickle.loads(entry)
    assert function() == (0, 1)


def test_what_was_measured_loads_as_one_pickle():
    values = {"a": [1, 2], "b": "x" * 70_000, "c": {"n": (1.5, None)}}
    taken = pickled.take(values, "values", dict(values))
    assert pickle.loads(taken.data) == values
    assert [each.name for each in taken.globals] == ["a", "b", "c"]
    assert taken.globals[1].size == pytest.approx(70_000, abs=50)


def test_a_value_keeps_its_identity_between_the_functions_that_share_it():
    shared = [1]

    def add():
        shared.append(2)

    def train():
        add()
        return shared

    assert pickle.loads(capture(train).bundle.files[-1].read())() == [1, 2]


def test_over_one_megabyte_warns_and_says_what_to_do():
    table = np.zeros(200_000)
    (warning,) = capture(lambda: table).report.warnings
    assert warning.startswith("table (ndarray) has 1.6 MB")
    assert "include=[...]" in warning


@pytest.mark.parametrize("wrap", [lambda table: table, lambda table: {"deep": [table]}, bytes])
def test_over_the_limit_is_refused_by_name_and_says_what_to_do(wrap):
    table = wrap(np.zeros(9_000_000))
    with pytest.raises(CaptureError, match=r"table \(.*\) of lambda has more than 64 MB") as caught:
        capture(lambda: table)
    assert "max_size=" in str(caught.value)
    with pytest.raises(CaptureError, match=r"x \(.*\) of lambda has more than 64 MB"):
        capture(lambda x: x, (table,))


def test_a_table_over_the_limit_is_refused_before_it_is_copied():
    table = np.broadcast_to(np.float64(0), (1 << 40,))  # eight terabytes, were it copied
    with pytest.raises(CaptureError, match="has more than 64 MB"):
        capture(lambda: table)


def test_the_limit_can_be_set():
    table = np.zeros(100_000)
    with pytest.raises(CaptureError, match="has more than 500 kB"):
        capture(lambda: table, options=options({"max_size": "500k"}))
    big = np.zeros(9_000_000)
    assert listed(capture(lambda: big, options=options({"max_size": "80M"})))["big"][1] > 72_000_000


def test_arguments_travel_beside_the_image_and_never_in_a_layer():
    captured = capture(lambda x: x, ("an unusual text",))
    (inputs,) = [file for file in captured.inputs if file.path == "arguments.pkl"]
    assert b"an unusual text" in inputs.read()
    assert not any(b"an unusual text" in file.read() for file in captured.bundle.files)


def test_arguments_leave_the_digest_as_it_is():
    def train(x):
        return x

    assert capture(train, (1,)).bundle.entry == capture(train, (2,)).bundle.entry


def test_the_object_behind_a_method_or_a_call_is_listed_too():
    class Model:
        def __init__(self):
            self.weights = np.zeros(1000)

        def fit(self):
            return self.weights.sum()

        def __call__(self):
            return self.fit()

    for function in (Model().fit, Model()):
        kind, size = listed(capture(function))["self"]
        assert kind == "Model"
        assert size > 8000
        assert pickle.loads(capture(function).bundle.files[-1].read())() == 0


def test_every_module_that_the_opcodes_name_was_seen_while_it_was_written():
    """Reading opcodes takes long where a value is large; what is seen on the way in has to be as much."""
    import datetime
    import decimal
    import functools
    import pathlib
    import re

    import pandas as pd
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.tree import DecisionTreeClassifier

    from tests.opcodes import modules

    table = pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": pd.to_datetime(["2024-01-01", "2024-01-02"])})
    values = [
        table,
        table["b"].astype("category"),
        make_pipeline(StandardScaler(), LinearRegression()).fit([[1], [2]], [1, 2]),
        DecisionTreeClassifier().fit([[1], [2]], [1, 2]),
        np.random.default_rng(0),
        [np.float32(1), np.sin, np.dtype("int8"), np.ma.masked_array([1], [True])],
        [re.compile("a"), pathlib.PurePosixPath("a"), decimal.Decimal(1), datetime.timezone.utc],
        functools.partial(np.add, 1),
        [len, dict.fromkeys, str.upper, "x".join, type(None), ...],
        lambda: (pd.concat, np.linalg.norm),
    ]
    for value in values:
        taken = pickled.take(value, "value")
        assert modules(taken.data).keys() - {"cloudpickle.cloudpickle", "copyreg"} <= taken.modules.keys() | {
            "builtins"
        }


def test_functions_in_containers_are_looked_into():
    table = np.zeros(1000)

    def build():
        return table

    builders = {"a": build, "b": [1]}
    several = [build]
    assert "table" in listed(capture(lambda: builders["a"]()))
    assert "table" in listed(capture(lambda: several[0]()))


_SIXTY = settings(max_examples=60)
_DATA = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | some.text() | some.binary(),
    lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner) | some.tuples(inner, inner),
    max_leaves=30,
)


@_SIXTY
@given(some.dictionaries(some.text(), _DATA))
def test_whatever_is_measured_loads_as_it_was(values):
    taken = pickled.take(values, "values", values)
    assert pickle.loads(taken.data) == values
    assert [each.name for each in taken.globals] == list(values)


@_SIXTY
@given(_DATA)
def test_measuring_a_part_twice_changes_nothing(value):
    assert pickle.loads(pickled.take([value, value], "both", {"a": value, "b": value}).data) == [value, value]
