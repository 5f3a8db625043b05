"""A run in a real JupyterLab, seen in a browser."""

import pytest

from tests.conftest import needs

RUN = """import fairing

def train(depth):
    import time
    import matplotlib.pyplot as plt
    from tqdm import tqdm
    print("loading data")
    for epoch in tqdm(range(20), desc="epochs"):
        time.sleep(0.02)
        print("epoch", epoch)
    plt.figure(figsize=(3, 2))
    plt.plot([1, 2, 3])
    plt.show()
    print("left", depth)
    return {"depth": depth}

fairing.train(train, kwargs={"depth": 8})"""
FAIL = "def bad(depth):\n    raise ValueError(f'depth {depth} is too deep')\n\nfairing.train(bad, (9,))"


@pytest.mark.timeout(300)
def test_a_run_in_jupyterlab_shows_its_card_its_text_its_figure_its_value_and_its_error(tmp_path):
    chromium = needs("chromium")
    pytest.importorskip("playwright")
    pytest.importorskip("jupyterlab")
    from tests.browser import lab

    lab.write(tmp_path / "run.ipynb", RUN, FAIL, "print('never')")
    with lab.server(tmp_path) as address, lab.browser(chromium) as page:
        lab.run_all(page, address, "run.ipynb")
        page.wait_for_selector(".jp-CodeCell >> nth=1 >> text=ValueError: depth 9 is too deep")
        ran, failed, never = page.query_selector_all(".jp-CodeCell")
        outputs = ran.query_selector_all(".jp-OutputArea-output")
        assert len(outputs) < 10
        text = ran.query_selector(".jp-OutputArea").inner_text()
        assert "on local" in text and "done in" in text
        shown = [line.strip() for line in text.splitlines()]
        assert [line for line in shown if line.startswith("epoch ")] == [f"epoch {each}" for each in range(20)]
        assert len([line for line in shown if line.startswith("epochs:")]) == 1 and "20/20" in text
        assert ran.query_selector("img[src^='data:image/png']")
        assert text.index("left 8") > text.index("epoch 19") and "{'depth': 8}" in text
        assert "failed in" in failed.inner_text() and "raise ValueError" in failed.inner_text()
        assert "never" not in never.query_selector(".jp-OutputArea").inner_text()
