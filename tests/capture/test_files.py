"""Data files by ``include``: globs, ignore files, secrets, links, and what is missing."""

import os

import pytest

import fairing
from fairing.capture.files import take
from fairing.capture.function import capture
from fairing.config.options import options
from fairing.errors import CaptureError


@pytest.fixture
def data(project):
    for name in ("data/a.csv", "data/b.csv", "data/deep/c.csv", "conf/x.yaml", "conf/server.key", ".env", "notes.log"):
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return project


def names(root, *patterns, folder=None):
    return [file.path for file in take(patterns, root, folder).files]


def left(root, *patterns):
    return dict(take(patterns, root).left_out)


def test_files_folders_and_globs_keep_their_place_in_the_project(data):
    assert names(data, "data/a.csv") == ["data/a.csv"]
    assert names(data, "data/*.csv") == ["data/a.csv", "data/b.csv"]
    assert names(data, "**/*.csv") == ["data/a.csv", "data/b.csv", "data/deep/c.csv"]
    assert names(data, "data") == ["data/a.csv", "data/b.csv", "data/deep/c.csv"]
    assert names(data, "data/[ab].csv") == ["data/a.csv", "data/b.csv"]
    assert names(data, "data/[!a].csv") == ["data/b.csv"]
    assert names(data, "data", "!data/deep", "!data/b.csv") == ["data/a.csv"]
    assert names(data, str(data / "data/a.csv")) == ["data/a.csv"]


def test_what_git_or_fairing_ignores_is_left_out_with_the_reason(data):
    (data / ".gitignore").write_text("*.csv\n!a.csv\nconf/\n")
    (data / ".fairingignore").write_text("notes.*\n")
    assert names(data, "data/**") == ["data/a.csv"]
    assert left(data, "**")["conf"] == "ignored by .gitignore: name it exactly to take it"
    assert left(data, "**")["notes.log"] == "ignored by .fairingignore: name it exactly to take it"


def test_an_ignore_file_of_a_folder_holds_below_it(data):
    (data / "data/.gitignore").write_text("/deep\n")
    assert names(data, "data/**/*.csv") == ["data/a.csv", "data/b.csv"]


def test_what_is_ignored_is_taken_where_it_is_named(data):
    (data / ".gitignore").write_text("data/\n")
    assert names(data, "data/a.csv") == ["data/a.csv"]
    assert names(data, "data") == ["data/a.csv", "data/b.csv", "data/deep/c.csv"]
    with pytest.raises(CaptureError, match=r"takes no file. data/a.csv is there, but ignored by .gitignore"):
        take(["data/*.csv"], data)


@pytest.mark.parametrize(
    "name",
    [
        *(".env", ".env.local", "id_rsa", "server.pem", "tls.key", ".netrc", ".pypirc", "credentials.json"),
        *("kubeconfig", "client_secret_1.json", ".ssh/known_hosts", "key.p12", "secrets.toml", ".aws/config"),
    ],
)
def test_files_that_look_like_secrets_are_taken_only_where_they_are_named_exactly(project, name):
    path = project / "conf" / name
    path.parent.mkdir(parents=True)
    path.write_text("x")
    (project / "conf/ok.yaml").write_text("x")
    assert names(project, "conf") == names(project, "**/*", "!pyproject.toml") == ["conf/ok.yaml"]
    assert "looks like a secret" in left(project, "conf")[f"conf/{name}"]
    assert names(project, f"conf/{name}") == [f"conf/{name}"]


@pytest.mark.parametrize("name", [".env.example", "key.csv", "keys/a.txt", "tokens.json", "id_rsa.pub"])
def test_files_that_only_sound_like_secrets_are_taken(project, name):
    path = project / "conf" / name
    path.parent.mkdir(parents=True)
    path.write_text("x")
    assert names(project, "conf") == [f"conf/{name}"]


def test_links_that_leave_the_project_are_taken_only_where_they_are_named(data, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "far.csv").write_text("far")
    (data / "data/link.csv").symlink_to(outside / "far.csv")
    (data / "data/inner.csv").symlink_to(data / "data/a.csv")
    (data / "linked").symlink_to(outside)
    assert names(data, "data/*.csv") == ["data/a.csv", "data/b.csv", "data/inner.csv"]
    assert "leaves the project" in left(data, "data/*.csv")["data/link.csv"]
    assert "a link to a folder" in left(data, "**")["linked"]
    assert names(data, "data/link.csv") == ["data/link.csv"]
    assert names(data, "linked") == ["linked/far.csv"]


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("data/aa.csv", "Did you mean 'data/a.csv'?"),
        ("date", "Did you mean 'data'?"),
        ("nothing/like/it.parquet", "has a name like it"),
        ("../other.csv", "Files outside the project cannot be taken"),
        ("/etc/passwd", "Files outside the project cannot be taken"),
        ("data/*.parquet", "names no file here"),
        ("conf/*.key", "looks like a secret"),
    ],
)
def test_a_pattern_that_names_nothing_is_an_error_with_the_nearest_name(data, pattern, said):
    with pytest.raises(CaptureError) as caught:
        take([pattern], data)
    assert repr(pattern) in str(caught.value)
    assert said in str(caught.value)


def test_a_file_is_found_from_the_folder_of_the_notebook_first(data):
    (data / "notebooks/data").mkdir(parents=True)
    (data / "notebooks/data/a.csv").write_text("near")
    taken = take(["data/a.csv", "conf/x.yaml"], data, data / "notebooks")
    assert {file.path: file.read() for file in taken.files} == {"data/a.csv": b"near", "conf/x.yaml": b"conf/x.yaml"}


def test_a_path_upwards_from_the_notebook_s_folder_stays_in_the_project(data):
    (data / "notebooks").mkdir()
    assert names(data, "../data/a.csv", folder=data / "notebooks") == ["data/a.csv"]
    assert names(data, "../data/*.csv", folder=data / "notebooks") == ["data/a.csv", "data/b.csv"]
    with pytest.raises(CaptureError, match="Files outside the project"):
        take(["../../etc/passwd"], data, data / "notebooks")


def test_an_executable_file_stays_executable(project):
    (project / "run.sh").write_text("#!/bin/sh\n")
    (project / "run.sh").chmod(0o700)
    assert [file.mode for file in take(["run.sh"], project).files] == [0o755]


def test_folders_that_no_one_means_are_not_looked_through(data):
    for folder in (".git", "__pycache__", ".venv", "node_modules"):
        (data / folder).mkdir()
        (data / folder / "x.csv").write_text("x")
    assert all(name.startswith("data/") for name in names(data, "**/*.csv"))


def test_an_included_file_is_read_in_the_run_by_the_name_it_has_here(data):
    def read():
        from pathlib import Path

        return Path("data/a.csv").read_text()

    assert fairing.train(read, include=["data/*.csv"]) == "data/a.csv"
    report = fairing.preview(read, include=["data/*.csv"])
    assert report.files == (("data/a.csv", 10), ("data/b.csv", 10))


def test_included_files_are_named_as_data_of_the_bundle(data):
    captured = capture(len, ([],), options=options({"include": ["data/a.csv"]}))
    assert captured.bundle.data == ("data/a.csv",)
    assert "data/a.csv" in {file.path for file in captured.bundle.files}


def test_a_missing_file_makes_nothing(data, fairing_home):
    before = sorted(fairing_home.iterdir())
    with pytest.raises(CaptureError, match="names no file here"):
        fairing.train(len, args=([],), include=["nope.csv"])
    assert sorted(fairing_home.iterdir()) == before


def test_ignore_files_of_the_project_hold_in_the_notebook_s_folder_too(data):
    (data / ".gitignore").write_text("b.csv\n")
    assert names(data, "*.csv", folder=data / "data") == ["a.csv"]
    with pytest.raises(CaptureError, match=r"b\.csv is there, but ignored by \.gitignore"):
        take(["b*.csv"], data, data / "data")


def test_a_link_from_the_notebook_s_folder_to_another_of_the_project_is_taken(data):
    (data / "notebooks").mkdir()
    (data / "notebooks/a.csv").symlink_to(data / "data/a.csv")
    assert names(data, "*.csv", folder=data / "notebooks") == ["a.csv"]


def test_a_link_to_a_secret_by_another_name_is_a_secret(data):
    (data / "conf/settings.txt").symlink_to(data / ".env")
    assert names(data, "conf") == ["conf/x.yaml"]
    assert "looks like a secret" in left(data, "conf")["conf/settings.txt"]


def test_what_is_there_and_no_file_is_refused_by_what_it_is(data):
    (data / "data/gone.csv").symlink_to("nowhere.csv")
    os.mkfifo(data / "data/pipe")
    with pytest.raises(CaptureError, match=r"'data/gone.csv' is a link to what is not there: nowhere.csv\."):
        take(["data/gone.csv"], data)
    with pytest.raises(CaptureError, match=r"'data/pipe' is neither a file nor a folder\."):
        take(["data/pipe"], data)
