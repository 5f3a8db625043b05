"""Functions out of the cells of a real kernel, run for real."""

import pytest


def test_a_nested_function_with_a_closure(kernel):
    kernel("def outer(n):\n    def inner(x):\n        return x * n + k\n    return inner\nk = 1")
    assert kernel.value("fairing.train(outer(10), args=(4,))") == "41"


def test_a_lambda_a_partial_a_method_and_a_callable_object(kernel):
    kernel(
        "from functools import partial\n"
        "class Scale:\n"
        "    def __init__(self, by): self.by = by\n"
        "    def __call__(self, x): return x * self.by\n"
        "    def plus(self, x): return x + self.by\n"
        "def power(base, exponent): return base ** exponent"
    )
    assert kernel.value("fairing.train(lambda x: x + 1, args=(1,))") == "2"
    assert kernel.value("fairing.train(partial(power, exponent=3), args=(2,))") == "8"
    assert kernel.value("fairing.train(Scale(3).plus, args=(4,))") == "7"
    assert kernel.value("fairing.train(Scale(3), args=(4,))") == "12"


def test_a_decorated_function_whose_decorator_is_in_another_cell(kernel):
    kernel(
        "import functools\n"
        "def twice(f):\n"
        "    @functools.wraps(f)\n"
        "    def wrapper(*args): return 2 * f(*args)\n"
        "    return wrapper"
    )
    kernel("@twice\ndef five(): return 5")
    assert kernel.value("fairing.train(five)") == "10"


def test_cached_functions_and_properties_travel_with_an_empty_cache(kernel):
    kernel(
        "from functools import cache, cached_property, lru_cache\n"
        "@cache\ndef fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)\n"
        "@lru_cache(maxsize=3, typed=True)\ndef few(n): return n"
    )
    kernel(
        "class Model:\n"
        "    @cached_property\n    def size(self): return fib(10)\n"
        "    @lru_cache\n    def double(self, x): return 2 * x\n"
        "def sized():\n    model = Model()\n    return model.size, model.double(2), model\n"
        "fib(20)"
    )
    assert kernel.value("fairing.train(fib, args=(30,))") == "832040"
    assert kernel.value("fairing.train(lambda: (fib(1), fib.cache_info().currsize))") == "(1, 1)"
    assert kernel.value("fairing.train(lambda: sorted(few.cache_parameters().items()))") == (
        "[('maxsize', 3), ('typed', True)]"
    )
    kernel("got = fairing.train(sized)")
    assert kernel.value("got[:2], type(got[2]) is Model, got[2].__dict__") == "((55, 4), True, {'size': 55})"
    assert kernel.value("[(each.name, each.type) for each in fairing.preview(fib, args=(1,)).globals]") == (
        "[('fib', 'function'), ('n', 'int')]"
    )


def test_a_function_that_dispatches_on_types(kernel):
    kernel(
        "from functools import singledispatch\n"
        "@singledispatch\ndef kind(x): return 'any'\n"
        "@kind.register\ndef _(x: int): return 'number'\n"
        "kind(1)"
    )
    assert kernel.value("fairing.train(lambda: (kind(1), kind('')))") == "('number', 'any')"


def test_helpers_of_other_cells_and_their_redefinitions_today_s_text_wins(kernel):
    kernel("def helper(): return 'old'")
    kernel("def uses(): return helper()")
    assert kernel.value("fairing.train(uses)") == "old"
    kernel("def helper(): return 'new'")
    assert kernel.value("fairing.train(uses)") == "new"


def test_recursion_also_mutual(kernel):
    kernel("def even(n): return True if n == 0 else odd(n - 1)\ndef odd(n): return False if n == 0 else even(n - 1)")
    assert kernel.value("fairing.train(even, args=(10,))") == "True"


def test_an_async_function(kernel):
    kernel("import asyncio\nasync def later(x):\n    await asyncio.sleep(0)\n    return x + 1")
    assert kernel.value("fairing.train(later, args=(1,))") == "2"


def test_a_result_of_a_class_from_another_cell_is_of_that_class(kernel):
    kernel(
        "import enum\nfrom dataclasses import dataclass\nfrom typing import NamedTuple\n"
        "class Colour(enum.Enum):\n    RED = 1\n"
        "@dataclass\nclass Point:\n    x: int\n"
        "class Pair(NamedTuple):\n    a: int\n"
        "class Plain:\n    def name(self): return suffix\n"
        "suffix = 'one'"
    )
    kernel("def make(): return Colour.RED, Point(2), Pair(3), Plain()")
    kernel("made = fairing.train(make)")
    assert kernel.value(
        "(made[0] is Colour.RED, isinstance(made[1], Point), made[1] == Point(2), type(made[2]) is Pair, "
        "isinstance(made[3], Plain))"
    ) == str((True,) * 5)


def test_a_class_stays_as_it_is_when_a_value_of_it_returns(kernel):
    kernel("class Keeps:\n    def name(self): return word\nword = 'one'\ndef keep(): return Keeps()")
    kernel("kept = fairing.train(keep)\nword = 'two'")
    assert kernel.value("(kept.name(), Keeps().name())") == "('two', 'two')"


def test_an_exception_of_a_class_from_another_cell_is_caught_by_it(kernel):
    kernel("class Empty(Exception):\n    def __init__(self, n): super().__init__(n); self.n = n")
    kernel("def fail(): raise Empty(7)")
    kernel("try:\n    fairing.train(fail)\nexcept Empty as error:\n    caught = error.n")
    assert kernel.value("caught") == "7"


def test_the_same_function_gives_the_same_bytes_also_after_its_cell_ran_again(kernel):
    kernel("from fairing.capture.function import capture")
    cell = "class Model:\n    depth = 3\n    def fit(self): return {'a', 'b'}\ndef same(): return Model().fit()"
    kernel(cell)
    kernel("first = capture(same).bundle.entry\nsecond = capture(same).bundle.entry")
    assert kernel.value("first == second") == "True"
    kernel("def plain(): return [x for x in range(3)]\nbefore = capture(plain).bundle.entry")
    kernel("def plain(): return [x for x in range(3)]\nbefore = capture(plain).bundle.entry")
    kernel("again = capture(plain).bundle.entry")
    assert kernel.value("before == again") == "True"


def test_another_kernel_gives_the_same_bytes(kernel, tmp_path):
    from .conftest import Kernel

    cell = (
        "import math\nDEPTH = 3\n"
        "class Model:\n    def knows(self, kind): return kind in {'tree', 'forest', 'ridge', 'lasso'}\n"
        "def helper(x): return math.floor(x) + DEPTH\n"
        "def same(x):\n    import json\n    return json.dumps(helper(x)), Model().knows('tree')\n"
    )
    ask = "__import__('fairing.capture.function').capture.function.capture(same, (1.5,)).bundle.entry.sha256"
    kernel(cell)
    other = Kernel(tmp_path)
    try:
        other("import fairing")
        other(cell)
        assert other.value(ask) == kernel.value(ask)
    finally:
        other.close()


def test_classes_that_are_alike_stay_apart(kernel):
    kernel(
        "def made(depth):\n    class Model:\n        def of(self): return depth\n    return Model\n"
        "one, two = made(1), made(2)\n"
        "def ask(): return one, two, one().of(), two().of()"
    )
    assert kernel.value("fairing.train(ask) == (one, two, 1, 2)") == "True"


def test_what_ipython_puts_among_the_names_does_not_travel(kernel):
    (kernel.folder / "some.txt").write_text("x")
    kernel("def opens():\n    with open('made.txt', 'w') as f:\n        return f.write('abc')")
    assert kernel.value("fairing.train(opens)") == "3"
    assert "ipython" not in kernel.value("[name for name, _ in fairing.preview(opens).requirements]")
    assert kernel.value("fairing.preview(opens).globals") == "()"
    kernel("def which():\n    return open is __import__('builtins').open")
    assert kernel.value("fairing.train(which)") == "True"


def test_get_ipython_is_refused_by_its_name(kernel):
    from .conftest import CellError

    kernel("def shell(): return get_ipython().user_ns")
    with pytest.raises(CellError, match=r"get_ipython of shell cannot be taken along.*this kernel itself"):
        kernel("fairing.train(shell)")


def test_a_widget_and_a_bar_are_refused_with_what_to_do_instead(kernel):
    from .conftest import CellError

    kernel("import ipywidgets\nfrom tqdm import tqdm\nslider, bar = ipywidgets.IntSlider(), tqdm([1])")
    with pytest.raises(CellError, match=r"slider of lambda .*widget of this notebook\. Pass its value as an argument"):
        kernel("fairing.train(lambda: slider.value)")
    with pytest.raises(CellError, match=r"bar of lambda .*progress bar of this notebook\. Make it inside"):
        kernel("fairing.train(lambda: list(bar))")


def test_the_source_lines_of_a_cell_travel_for_the_traceback_and_no_other_lines(kernel):
    kernel("from fairing.capture.function import capture\nimport json")
    kernel("hidden = 'not mine'\ndef lined():\n    x = 1\n    return x / 0\nmore = 'nor this'")
    kernel("texts = json.loads(next(f for f in capture(lined).inputs if f.path == 'sources.json').read())")
    assert kernel.value("list(texts.values())") == str(["\ndef lined():\n    x = 1\n    return x / 0\n"])
    assert kernel.value("all('ipykernel' not in name for name in texts)") == "True"


def test_modules_among_the_names_travel_by_reference_and_loggers_by_name(kernel):
    kernel("import logging\nimport numpy as np\nimport os.path\nlog = logging.getLogger('mine')")
    kernel("def uses():\n    log.warning('hello')\n    return float(np.ones(3).sum()), os.path.basename('/a/b')")
    assert kernel.value("fairing.train(uses)") == "(3.0, 'b')"
    kernel("report = fairing.preview(uses)")
    assert kernel.value("[each.name for each in report.globals]") == "['log']"
    assert kernel.value("[name for name, _ in report.requirements]") == "['cloudpickle', 'numpy']"


def test_classes_of_every_kind_from_cells(kernel):
    kernel(
        "import abc\nfrom typing import Generic, Protocol, TypeVar\n"
        "T = TypeVar('T')\n"
        "class Has(Protocol):\n    def size(self) -> int: ...\n"
        "class Base(abc.ABC):\n"
        "    __slots__ = ('n',)\n"
        "    def __init__(self, n): self.n = n\n"
        "    @abc.abstractmethod\n    def size(self): ...\n"
        "class Box(Base, Generic[T]):\n"
        "    made = 0\n"
        "    def __init__(self, n):\n        super().__init__(n)\n        type(self).made += 1\n"
        "    def size(self): return self.n\n"
        "    @property\n    def twice(self): return 2 * self.n\n"
        "    @staticmethod\n    def three(): return 3\n"
        "    @classmethod\n    def of(cls): return cls(4)\n"
    )
    kernel("def use(box: Box[int]):\n    return box.size(), box.twice, box.three(), Box.of().n, isinstance(box, Base)")
    assert kernel.value("fairing.train(use, args=(Box(5),))") == "(5, 10, 3, 4, True)"
    assert kernel.value("fairing.train(Box, args=(6,)).n") == "6"


def test_functions_that_share_a_global_share_it_in_the_run(kernel):
    kernel(
        "count = 0\ndef bump():\n    global count\n    count += 1\n"
        "def twice():\n    bump()\n    bump()\n    return count"
    )
    assert kernel.value("fairing.train(twice)") == "2"
    assert kernel.value("count") == "0"


def test_a_function_s_own_attributes_defaults_and_annotations_travel(kernel):
    kernel("def own(x: 'int' = 3, *, y=4): return x, y, own.label\nown.label = 'mine'")
    assert kernel.value("fairing.train(own)") == "(3, 4, 'mine')"


def test_a_module_beside_the_notebook_travels_by_source(kernel):
    (kernel.folder / "beside.py").write_text("def f(x):\n    return x + 1\n")
    kernel("from beside import f as imported")
    kernel("def calls(x): return imported(x)")
    assert kernel.value("fairing.train(calls, args=(1,))") == "2"
    assert kernel.value("fairing.preview(calls, args=(1,)).modules") == "('beside',)"
    assert kernel.value("fairing.train(imported, args=(2,))") == "3"


def test_inspect_finds_the_source_of_a_cell_s_function_in_the_run(kernel):
    kernel("def itself():\n    import inspect\n    return inspect.getsource(itself)")
    assert (
        kernel.value("fairing.train(itself)")
        == "def itself():\n    import inspect\n    return inspect.getsource(itself)"
    )


def test_the_traceback_of_a_run_shows_the_lines_of_the_cell(kernel):
    from .conftest import CellError

    kernel("def divides(n):\n    half = n / 2\n    return half / 0")
    with pytest.raises(CellError, match="return half / 0"):
        kernel("fairing.train(divides, args=(3,))")
