"""One line through every stage: a function goes out, and its prints, value and exception come back."""

import pytest

import fairing


def test_a_function_returns_its_value():
    assert fairing.train(pow, args=(2, 5)) == 32


def test_an_exception_is_raised_as_itself():
    def fail():
        raise KeyError("depth")

    with pytest.raises(KeyError, match="depth"):
        fairing.train(fail)


def test_prints_come_out_in_order(capsys):
    def talk():
        print("one")
        print("two")

    fairing.train(talk)
    assert capsys.readouterr().out.endswith("one\ntwo\n")
