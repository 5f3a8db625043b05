"""Runs that exist already are listed, and read well where they are shown."""

import time

import pytest

import fairing
from fairing.api.runs import Jobs
from fairing.errors import ConfigError


def test_runs_are_listed_newest_first_with_phase_and_start():
    def fail():
        raise KeyError("depth")

    first = fairing.submit(pow, (2, 5), name="first<b>")
    first.wait()
    second = fairing.submit(fail, name="second")
    second.wait()
    listed = fairing.jobs()
    handles = [str(job.handle) for job in listed]
    assert handles.index(str(second.handle)) < handles.index(str(first.handle))
    rows = {handle: rest for handle, *rest in listed.rows()}
    assert rows[str(first.handle)][0] == "succeeded"
    assert rows[str(second.handle)][0] == "failed"
    assert rows[str(first.handle)][1].startswith(time.strftime("%Y-"))
    assert f"{second.handle}" in repr(listed) and "failed" in repr(listed)
    page = listed._repr_html_()
    assert "succeeded" in page and "<b>" not in page


def test_a_run_that_was_deleted_since_it_was_listed_is_said_to_be_gone():
    job = fairing.submit(pow, (2, 5))
    job.wait()
    listed = Jobs([fairing.attach(str(job.handle))])
    job.delete()
    assert listed.rows()[0][1] == "gone"
    assert str(job.handle) not in repr(fairing.jobs())


def test_no_runs_are_said_in_words():
    assert repr(Jobs()) == Jobs()._repr_html_() == "no runs"


@pytest.mark.parametrize("text", ["", "nothing", "local://", "local", "://x"])
def test_what_is_no_handle_is_refused(text):
    with pytest.raises(ConfigError, match="not the handle of a run"):
        fairing.attach(text)
