"""What looks like a credential is refused, with the way out; what only sounds like one passes."""

from dataclasses import dataclass

import pytest

from fairing.capture.credentials import form, named
from fairing.capture.function import capture
from fairing.config.options import options
from fairing.errors import CaptureError


def refused(function, args=(), kwargs=None, **given):
    with pytest.raises(CaptureError) as caught:
        capture(function, args, kwargs or {}, options(given))
    return str(caught.value)


FORMS = {
    "an AWS access key": "AKIAIOSFODNN7EXAMPLE",
    "a GitHub token": "ghp_" + "a1B2" * 9,
    "a GitLab token": "glpat-" + "a1B2" * 6,
    "an API key": "sk-proj-" + "abcDEF0123456789abcd",
    "a Google API key": "AIza" + "a1B2_" * 7,
    "a Hugging Face token": "hf_" + "aB" * 17,
    "a Slack token": "xoxb-1234567890-abc",
    "a Stripe key": "sk_live_" + "a1B2" * 5,
    "a private key": "-----BEGIN RSA PRIVATE KEY-----\nMIIE",
    "a JSON web token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N",
    "an address with a password": "postgresql://reader:s3cret@db.example.org/sales",
    "a connection string with a password": "Server=db;User Id=sa;Password=hunter22;Encrypt=yes",
}


@pytest.mark.parametrize(("kind", "text"), FORMS.items())
def test_a_credential_is_known_by_its_form_whatever_its_name(kind, text):
    anything = text
    assert f"anything of lambda looks like {kind}." in refused(lambda: anything)
    assert f"looks like {kind}." in refused(lambda x: x, ([{"a": text}],))


@pytest.mark.parametrize(
    "name",
    ["password", "db_password", "API_KEY", "apiKey", "aws_secret_access_key", "passwd", "credentials", "PASSWORD2"],
)
def test_a_credential_is_known_by_its_name(name):
    assert named(name, "hunter2")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tokenizer", "bert-base-uncased-2"),
        ("n_tokens", 512),
        ("max_tokens", "512"),
        ("token_ids", [1, 2]),
        ("token", "hello"),
        ("eos_token", "<|endoftext|>"),
        ("pad_token", "[PAD]"),
        ("key", "name"),
        ("primary_key", "id"),
        ("sort_key", "created_at"),
        ("password_column", "pwd"),
        ("password", ""),
        ("password", None),
        ("secret", "a secret of the trade"),
        ("token_path", "/var/run/token"),
        ("api_key_name", "X-API-Key"),
        ("keywords", "password reset"),
    ],
)
def test_what_only_sounds_like_a_credential_passes(name, value):
    assert not named(name, value)


@pytest.mark.parametrize(
    "text",
    [
        "https://example.org:8080/data.csv",
        "https://user@example.org/x",
        "postgresql://{user}:{password}@host/db",
        "sk-learn-pipeline-with-scaler-and-pca-2",
        "usage: tool --password=TEXT",
        "key=lambda row: row.id",
        "s3://bucket/key",
    ],
)
def test_text_that_has_no_form_of_a_credential_passes(text):
    assert form(text) == ""


def test_the_refusal_names_it_and_both_ways_out_and_never_its_value():
    api_key = "hunter2-hunter2"

    def train():
        return api_key

    said = refused(train)
    assert said.startswith("api_key of train looks like a credential by its name.")
    assert "secrets=['API_KEY']" in said
    assert "os.environ['API_KEY']" in said
    assert "allow=['api_key']" in said
    assert "hunter2" not in said


def test_an_allowed_name_travels():
    api_key = "hunter2"
    assert capture(lambda: api_key, options=options({"allow": ["api_key"]})).report.globals[0].name == "api_key"
    config = {"db": {"password": "hunter2"}}
    assert capture(lambda: config, options=options({"allow": ["password"]})).report.globals[0].name == "config"


def test_credentials_are_found_in_dicts_attributes_arguments_and_defaults():
    config = {"db": {"password": "hunter2"}}
    assert refused(lambda: config).startswith("config['db']['password'] of lambda")

    @dataclass
    class Settings:
        api_key: str

    settings = Settings("hunter2")
    assert refused(lambda: settings).startswith("settings.api_key of lambda")

    class Client:
        def __init__(self):
            self.auth_token = "abcdef123456"

    client = Client()
    assert refused(lambda: client).startswith("client.auth_token of lambda")
    assert refused(lambda password: password, ("hunter2",)).startswith("password of lambda")
    assert refused(lambda **rest: rest, (), {"api_key": "hunter2"}).startswith("api_key of lambda")

    def connect(password="hunter2"):
        return password

    assert refused(connect).startswith("password of connect")


def test_a_credential_in_the_code_itself_is_found_by_its_form():
    def upload():
        def inner():
            return "AKIAIOSFODNN7EXAMPLE"

        return inner()

    said = refused(upload)
    assert said.startswith("A text in the code of upload looks like an AWS access key.")
    assert "allow=['inner']" in said
    assert capture(upload, options=options({"allow": "inner"}))


def test_the_environment_is_found_in_the_run_and_never_taken_along(monkeypatch):
    import pickle
    from os import environ

    monkeypatch.setenv("MY_PASSWORD", "hunter2-is-here")

    def train():
        return environ["MY_PASSWORD"]

    captured = capture(train)
    entry = captured.bundle.files[-1].read()
    assert b"hunter2-is-here" not in entry
    assert pickle.loads(entry)() == "hunter2-is-here"


def test_the_source_lines_beside_a_function_do_not_carry_what_was_not_asked_for(project):
    import importlib.util
    import sys

    (project / "cellish.py").write_text("password = 'hunter2-in-the-cell'\n\ndef train():\n    return 1\n")
    spec = importlib.util.spec_from_file_location("__main__", project / "cellish.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert "cellish" not in sys.modules
    captured = capture(module.train)
    assert b"return 1" in b"".join(file.read() for file in captured.inputs)
    assert b"hunter2" not in b"".join(file.read() for file in (*captured.inputs, *captured.bundle.files))


def test_a_credential_in_a_module_that_would_travel_is_refused_with_the_file_s_name(project, monkeypatch):
    import sys

    (project / "with_key.py").write_text("KEY = 'AKIAIOSFODNN7EXAMPLE'\ndef f(): return KEY\n")
    monkeypatch.syspath_prepend(str(project))

    def train():
        import with_key

        return with_key.f()

    said = refused(train)
    assert said.startswith("A text in with_key.py of your project looks like an AWS access key.")
    assert "secrets=['AWS_ACCESS_KEY']" in said
    assert capture(train, options=options({"allow": "with_key"})).report.modules == ("with_key",)
    assert "with_key" not in sys.modules


def test_credentials_are_found_in_what_a_method_a_partial_or_a_callable_object_holds():
    from functools import partial

    class Client:
        def __init__(self):
            self.api_key = "hunter2"

        def __call__(self):
            return 1

        def fit(self):
            return 2

    def train(depth, password):
        return depth, password

    assert refused(Client().fit).startswith("self.api_key of fit")
    assert refused(Client()).startswith("self.api_key of Client")
    assert refused(partial(train, password="hunter2"), (1,)).startswith("password of train")


def test_a_table_of_column_types_passes():
    columns = {"password": "string", "token": "category", "api_key": "drop"}
    assert capture(lambda: columns).report.warnings == ()


@pytest.mark.parametrize("option", ["env", "image"])
def test_a_credential_among_variables_is_refused_before_anything_is_captured_and_may_be_allowed(option):
    import fairing

    variables = {"DEPTH": "8", "DB_PASSWORD": "hunter2"}

    def given(variables):
        return {option: variables if option == "env" else fairing.Image().env(variables)}

    with pytest.raises(CaptureError) as caught:
        fairing.preview(print, **given(variables))
    said = str(caught.value)
    assert said.startswith(f"The variable 'DB_PASSWORD' of {option}= looks like a credential by its name.")
    assert "secrets=['DB_PASSWORD']" in said
    assert "hunter2" not in said
    assert fairing.preview(print, **given(variables), allow=["DB_PASSWORD"]).entry == "print"
    with pytest.raises(CaptureError, match=f"'SALES' of {option}= looks like an address with a password"):
        fairing.preview(print, **given({"SALES": "postgresql://me:hunter2@db.test/sales"}))
