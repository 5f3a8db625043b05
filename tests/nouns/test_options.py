"""One list of options: as Python values and as text, they mean the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairing.config.options import NAMES, octets, options
from fairing.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("workers", "2", 2),
        ("cpu", "0.5", 0.5),
        ("timeout", "90", 90.0),
        ("include", "data/*.csv", ("data/*.csv",)),
        ("env", "A=1", (("A", "1"),)),
        ("trust_html", "true", True),
        ("memory", "4Gi", "4Gi"),
        ("on_interrupt", "cancel", "cancel"),
    ],
)
def test_text_and_values_mean_the_same(name, text, value):
    assert getattr(options({name: text}), name) == getattr(options({name: value}), name) == value


def test_an_unknown_option_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigError, match="Did you mean 'timeout'"):
        options({"timeot": 3})


@pytest.mark.parametrize(
    ("name", "value"),
    [("workers", 0), ("workers", 1.5), ("gpus", "many"), ("timeout", -1), ("cpu", True), ("env", "A")],
)
def test_a_value_that_is_not_possible_is_refused(name, value):
    with pytest.raises(ConfigError, match=name):
        options({name: value})


@pytest.mark.parametrize("url", ["s3://me:t0psecret@bucket/runs", "abfs://runs@account/x?sig=t0psecret"])
def test_a_store_whose_address_holds_a_password_is_refused_and_the_password_is_not_said(url):
    with pytest.raises(ConfigError, match="secrets=") as refused:
        options({"artifacts": url})
    assert "t0psecret" not in str(refused.value)


@pytest.mark.parametrize("url", ["bucket/runs", "s3:bucket", "oci:", "s3://", "http://[", ""])
def test_a_store_that_is_no_address_is_refused(url):
    with pytest.raises(ConfigError, match="artifacts"):
        options({"artifacts": url})


@given(st.dictionaries(st.sampled_from(NAMES), st.text(), max_size=4))
def test_any_text_is_an_option_or_one_sentence(given_options):
    try:
        options(given_options)
    except ConfigError as refused:
        assert str(refused)


@given(st.integers(0, 10**6), st.sampled_from(["", "K", "Mi", "G", "Ti", "GB", " Mi"]))
def test_sizes_are_read_as_kubernetes_writes_them(number, unit):
    assert octets(f"{number}{unit}") % max(number, 1) == 0
