"""A handle is one string, and the string is the whole handle."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairing.errors import ConfigError
from fairing.spec import Handle

names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
parts = st.lists(st.text(min_size=1), min_size=1, max_size=4).map(tuple)


@given(names, parts, st.text(max_size=40))
def test_a_handle_reads_back_from_its_text(deployer, parts, uid):
    handle = Handle(deployer, parts, uid)
    assert Handle.parse(str(handle)) == handle


@given(st.text())
def test_any_text_is_a_handle_or_one_sentence(text):
    try:
        handle = Handle.parse(text)
    except ConfigError as refused:
        assert "is not the handle of a run" in str(refused)
    else:
        assert Handle.parse(str(handle)) == handle


@pytest.mark.parametrize("text", ["", "train-1f3a", "local://", "local:///a", "https//x", "lo cal://a", "local://a//b"])
def test_what_is_no_handle_is_refused(text):
    with pytest.raises(ConfigError, match="looks like local://"):
        Handle.parse(text)


def test_a_context_name_with_slashes_and_colons_is_one_part():
    context = "arn:aws:eks:eu-west-1:1234:cluster/ml"
    assert Handle.parse(str(Handle("job", (context, "team", "job", "train")))).parts[0] == context
