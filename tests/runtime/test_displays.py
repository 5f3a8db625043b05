"""Rich output of a plain function, with IPython and without."""

import subprocess
import sys
from base64 import b64decode

SHOWN = """
import sys
class Rich:
    def _repr_html_(self): return "<b>rich</b>"
    def _repr_png_(self): return b"\\x89PNG"
    def _repr_latex_(self): return None
    def _repr_markdown_(self): raise NotImplementedError
    def __repr__(self): return "rich"
class Bundle:
    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/plain": "bundle", "application/json": {"a": 1}}, {"application/json": {"expanded": True}}
class Own:
    def _ipython_display_(self): print("displays itself")
class Broken:
    def _repr_html_(self): raise ValueError("broken repr")
def main():
    print("first")
    display(Rich(), Bundle())
    display(Own())
    display(Broken())
    handle = display("one", display_id=True)
    handle.update("two")
    display({"text/html": "<i>raw</i>"}, raw=True)
    sys.displayhook(41 + 1)
    assert "IPython" not in sys.modules
"""


def test_display_is_there_as_in_a_notebook_and_takes_what_ipython_takes(run):
    done = run(SHOWN)
    assert done.value is None
    rich, bundle, broken, one, two, raw, hook = done.all("display")
    assert rich["data"] == {"text/html": "<b>rich</b>", "image/png": "iVBORw==", "text/plain": "rich"}
    assert bundle["data"] == {"text/plain": "bundle", "application/json": {"a": 1}}
    assert bundle["metadata"] == {"application/json": {"expanded": True}}
    assert list(broken["data"]) == ["text/plain"]
    assert "ValueError: broken repr" in done.stderr
    assert (one["data"], one["update"]) == ({"text/plain": "'one'"}, False)
    assert (two["data"], two["update"]) == ({"text/plain": "'two'"}, True)
    assert one["display_id"] == two["display_id"]
    assert raw["data"] == {"text/html": "<i>raw</i>"}
    assert hook["data"] == {"text/plain": "42"}
    kinds = [item.kind for item in done.items if item.kind in {"text", "display"}]
    assert kinds[:3] == ["text", "display", "display"]


def test_ipythons_own_display_functions_come_out_the_same(run):
    done = run(
        """
        import IPython.display
        from IPython.display import HTML, Latex, Markdown, clear_output, display as show, update_display, Image, JSON
        from IPython.display import publish_display_data
        def main():
            show(HTML("<b>x</b>"), Markdown("*x*"), Latex("$x$"))
            show(JSON({"a": 1}))
            handle = show("bar", display_id="mine")
            update_display("done", display_id="mine")
            handle.update("again")
            clear_output(wait=True)
            IPython.display.display(Image(data=b"\\x89PNG", format="png"))
            publish_display_data({"text/plain": "published"})
            display(HTML("builtin"))
        """
    )
    assert done.value is None
    data = [body["data"] for body in done.all("display")]
    assert data[0]["text/html"] == "<b>x</b>"
    assert data[1]["text/markdown"] == "*x*"
    assert data[2]["text/latex"] == "$x$"
    assert data[3]["application/json"] == {"a": 1}
    assert [(body["display_id"], body["update"]) for body in done.all("display")][4:7] == [
        ("mine", False),
        ("mine", True),
        ("mine", True),
    ]
    assert data[7]["image/png"].strip() == "iVBORw=="
    assert data[8] == {"text/plain": "published"}
    assert data[9]["text/html"] == "builtin"
    assert done.all("clear") == [{"wait": True}]
    assert done.stdout == ""


def test_a_large_display_comes_whole(run):
    done = run("def main(size): display({'text/html': 'x' * size}, raw=True)", 2_000_000)
    assert done.all("display")[0]["data"]["text/html"] == "x" * 2_000_000
    assert not done.all("lost")


def test_tables_and_figures_come_out_and_open_figures_too(run):
    done = run(
        """
        import matplotlib.pyplot as plt, pandas as pd
        def main():
            display(pd.DataFrame({"a": [1, 2]}))
            plt.plot([1, 2, 1])
            plt.show()
            print("between")
            fig, ax = plt.subplots()
            ax.bar([1, 2], [3, 4])
            display(fig)
            plt.figure()
            return len(plt.get_fignums())
        """
    )
    assert done.value == 2
    table, shown, displayed, left = done.all("display")
    assert "<table" in table["data"]["text/html"]
    for figure in (shown, displayed, left):
        assert b64decode(figure["data"]["image/png"]).startswith(b"\x89PNG\r\n")
        assert figure["data"]["text/plain"].startswith("<Figure size")
    assert shown["data"] != displayed["data"] == left["data"]


def test_figures_that_are_open_when_the_function_raises_are_shown(run):
    done = run(
        """
        import matplotlib.pyplot as plt
        def main():
            plt.plot([1, 2])
            raise ValueError
        """
    )
    assert done.failure["ename"] == "ValueError"
    assert len(done.all("display")) == 1


def test_a_backend_that_the_user_chose_is_left_alone(run):
    done = run(
        """
        import matplotlib
        matplotlib.use("agg")
        def main():
            matplotlib.use("agg")
            import matplotlib.pyplot as plt
            plt.plot([1, 2])
            return matplotlib.get_backend()
        """
    )
    assert done.value.lower() == "agg"
    assert not done.all("display")


def test_notebook_bars_are_one_display_that_ends_in_its_final_state(run):
    done = run(
        """
        from tqdm.notebook import tqdm, trange
        def main():
            for _ in tqdm(range(50_000), desc="fast"): pass
            with tqdm(total=10, desc="failed") as bar:
                bar.update(4)
            for _ in trange(3, leave=False): pass
            for _ in tqdm(iter("abc"), desc="no total"): pass
        """
    )
    assert done.value is None
    shown = done.all("display")
    ids = list(dict.fromkeys(body["display_id"] for body in shown))
    assert len(ids) == 4
    last = {body["display_id"]: body["data"] for body in shown}
    assert "50000/50000" in last[ids[0]]["text/plain"]
    assert 'value="50000" max="50000"' in last[ids[0]]["text/html"]
    assert "#4caf50" in last[ids[0]]["text/html"]
    assert "4/10" in last[ids[1]]["text/plain"]
    assert "#f44336" in last[ids[1]]["text/html"]
    assert last[ids[2]] == {"text/plain": "", "text/html": ""}
    assert "3it" in last[ids[3]]["text/plain"]
    assert len(shown) < 20
    assert (done.stdout, done.stderr) == ("", "")


def test_a_run_that_displays_nothing_imports_nothing_for_it(run):
    done = run(
        """
        import sys
        def main():
            return sorted(set(sys.modules) & {"IPython", "matplotlib", "numpy", "tqdm", "asyncio", "unittest", "pdb"})
        """
    )
    assert done.value == []


def test_outside_of_a_run_the_display_functions_print():
    code = "from fairing.runtime.displays import display; display('text')"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == "'text'\n"
