"""Rich output and errors of a run in a cell, in a real kernel: as if the code had run there."""

import base64
import json

from tests.output.front import plain

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def test_displays_come_in_order_with_text_and_updates_reach_them(kernel):
    cell = kernel.run(
        "def f():\n    print('before')\n    shown = display({'text/plain': 'one'}, raw=True, display_id=True)\n"
        "    print('after')\n    shown.update({'text/plain': 'two'}, raw=True)\nfairing.train(f)"
    )
    kinds = [output.get("text") or output["data"]["text/plain"] for output in cell.outputs[1:]]
    assert kinds == ["before\n", "two", "after\n"]


def test_a_display_that_updates_another_takes_its_place(kernel):
    cell = kernel.run(
        "def f():\n    from IPython.display import ProgressBar\n    display('one', display_id='same')\n"
        "    print('between')\n    display('two', display_id='same', update=True)\n    list(ProgressBar(3))\n"
        "    try:\n        display('three', update=True)\n    except TypeError as error:\n        print(error)\n"
        "fairing.train(f)"
    )
    two, between, bar, refused = [output.get("text") or output["data"]["text/plain"] for output in cell.outputs[1:]]
    assert (two, between, refused) == ("'two'", "between\n", "display_id required for update_display\n")
    assert bar.endswith("3/3")


def test_clearing_clears_the_output_and_keeps_the_card(kernel):
    cell = kernel.run(
        "def f():\n    from IPython.display import clear_output\n    print('old')\n"
        "    clear_output()\n    print('new')\nfairing.train(f)"
    )
    assert cell.text == "new\n"
    assert len(cell.cards) == 1


def test_an_exception_is_raised_as_its_own_type_with_the_lines_of_the_run_and_none_of_ours(kernel):
    defined = kernel.run("print(len(In))").text.strip()  # the number of the cell after it
    kernel.run("class Mine(ValueError): pass\ndef g(depth):\n    raise Mine('too deep', depth)")
    cell = kernel.run("fairing.train(g, (4,))")
    shown = plain("\n".join(cell.error["traceback"]))
    assert cell.error["ename"] == "Mine"
    assert "raise Mine('too deep', depth)" in shown
    assert shown.count("too deep', 4") == 1
    assert f'File "In[{defined}]", line 3, in g' in shown
    assert "fairing/" not in shown and "train.py" not in shown
    caught = kernel.run(
        "try:\n    fairing.train(g, (4,))\nexcept Mine as error:\n    print(type(error) is Mine, error.args)"
    )
    assert caught.text == "True ('too deep', 4)\n"


def test_scripts_are_not_shown_unless_trusted(kernel):
    code = (
        "def f():\n    from IPython.display import HTML, Javascript, display\n"
        "    display(HTML('<b onclick=\"x()\">bold</b><script>x()</script>'))\n    display(Javascript('x()'))\n"
    )
    cell = kernel.run(code + "fairing.train(f)")
    shown = json.dumps(cell.displays[1:])
    assert "bold" in shown and "script>" not in shown and "onclick" not in shown
    assert not any("application/javascript" in data for data in cell.displays)
    trusted = kernel.run(code + "fairing.train(f, trust_html=True)")
    assert any("application/javascript" in data for data in trusted.displays)


def test_a_picture_arrives_as_it_was_made(kernel):
    cell = kernel.run(
        f"def f():\n    import base64\n    from IPython.display import Image, display\n"
        f"    display(Image(base64.b64decode({PNG!r})))\nfairing.train(f)"
    )
    (data,) = [data for data in cell.displays if "image/png" in data]
    assert base64.b64decode(data["image/png"]) == base64.b64decode(PNG)


def test_a_warning_and_a_traceback_in_the_log_call_the_cell_as_the_notebook_does(kernel):
    number = int(kernel.run("print(len(In))").text)
    cell = kernel.run(
        "def f():\n    import traceback, warnings\n    warnings.warn('careful')\n"
        "    try:\n        1 / 0\n    except ZeroDivisionError:\n        traceback.print_exc()\nfairing.train(f)"
    )
    assert f"In[{number}]:3: UserWarning: careful\n  warnings.warn('careful')\n" in cell.text
    assert f'  File "In[{number}]", line 5, in f\n    1 / 0\n' in cell.text


def test_a_figure_that_comes_back_is_drawn_where_it_is_shown(kernel):
    cell = kernel.run(
        "def f():\n    import matplotlib.pyplot as plt\n    figure = plt.figure(figsize=(1, 1))\n"
        "    figure.gca().plot([1, 2])\n    return {'figure': figure}\nback = fairing.train(f)"
    )
    assert len([data for data in cell.displays if "image/png" in data]) == 1
    assert "image/png" in kernel.run("back['figure']").displays[-1]


def test_a_bar_has_the_size_of_printed_text(kernel):
    cell = kernel.run("def f():\n    from tqdm.notebook import tqdm\n    list(tqdm([1]))\nfairing.train(f)")
    assert "font-size:var(--jp-code-font-size,13px)" in cell.displays[-1]["text/html"]


def test_a_bar_without_a_total_stands_still_at_its_end(kernel):
    cell = kernel.run("def f():\n    from tqdm.notebook import tqdm\n    list(tqdm(iter([1])))\nfairing.train(f)")
    assert '<progress value="1" ' in cell.displays[-1]["text/html"] and "1it" in cell.displays[-1]["text/html"]
