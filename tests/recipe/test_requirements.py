"""Stated requirements: lists, files under any name, groups of pyproject.toml; refused by name and line when wrong."""

import pytest

from fairing.capture.requirements import stated
from fairing.config.options import Options, options
from fairing.errors import DependencyError


def read(folder, *requirements, groups=()):
    return stated(Options(requirements=requirements, groups=groups or None), folder).requirements


def test_a_list_is_taken_as_it_is(tmp_path):
    assert read(tmp_path, "pandas >= 2 , <4", "Torch[x]==2.9.0 ; python_version > '3'") == (
        "pandas<4,>=2",
        'Torch[x]==2.9.0; python_version > "3"',
    )


def test_one_requirement_needs_no_list(tmp_path):
    assert stated(options({"requirements": "pandas>=2"}), tmp_path).requirements == ("pandas>=2",)


@pytest.mark.parametrize("name", ["requirements.txt", "needs", "deps/train.in", "weird name.lst"])
def test_a_file_may_have_any_name(name, tmp_path):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("pandas\nnumpy>=2\n")
    assert read(tmp_path, name) == ("pandas", "numpy>=2")


def test_comments_continued_lines_hashes_and_nested_files_are_read_as_pip_reads_them(tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "requirements.txt").write_text(
        "\ufeff# a comment\n\npandas==3.0.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb  # why\n"
        "-r more/other.txt\n-c limits.txt\n--requirement=more/third.txt\nnumpy;python_version>'3'\n"
    )
    (tmp_path / "more" / "other.txt").write_text("scipy  # beside it\n-rthird.txt\n-r ../requirements.txt\n")
    (tmp_path / "more" / "third.txt").write_text("tqdm\n")
    (tmp_path / "limits.txt").write_text("tqdm<5\nunrelated<2\n")
    assert read(tmp_path, "requirements.txt") == (
        "pandas==3.0.0",
        "scipy",
        "tqdm<5",
        'numpy; python_version > "3"',
    )


def test_where_a_file_says_that_packages_are_goes_with_it(tmp_path):
    (tmp_path / "requirements.txt").write_text("--extra-index-url https://a:b@host/simple\n-f wheels\n--pre\ntorch\n")
    found = stated(Options(requirements=("requirements.txt",)), tmp_path)
    assert found.requirements == ("torch",)
    links = f"--find-links {tmp_path / 'wheels'}"
    assert found.indexes == ("--extra-index-url https://a:b@host/simple", links, "--pre")


def test_stated_hashes_go_with_the_file(tmp_path):
    (tmp_path / "requirements.txt").write_text("Tool_A==1 --hash=sha256:AA \\\n  --hash=sha256:bb\nb==2\n")
    found = stated(Options(requirements=("requirements.txt",)), tmp_path)
    assert found.requirements == ("Tool_A==1", "b==2")
    assert found.indexes == ("--hash tool-a sha256:aa", "--hash tool-a sha256:bb")


def test_groups_of_pyproject_are_read_with_those_they_include(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").write_text(
        "[project]\nname = 'mine'\ndependencies = ['requests']\n"
        "[project.optional-dependencies]\nplots = ['matplotlib']\n"
        "[dependency-groups]\nbase = ['numpy']\nTrain_It = [{include-group = 'base'}, 'pandas>=2']\n"
    )
    assert read(tmp_path, groups=("train-it", "plots")) == ("numpy", "pandas>=2", "matplotlib")
    monkeypatch.chdir(tmp_path)
    assert read(tmp_path, "pyproject.toml") == ("requests",)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("pandas=3", "'pandas=3' is not a requirement"),
        ("pandas>=3,,", "is not a requirement"),
        ("pandas[", "is not a requirement"),
        ("numpy scipy", "'numpy scipy' is not a requirement"),
        ("pandas; python_version >> 3", "is not a requirement"),
        ("--no-such-option x", "'--no-such-option' is not an option of requirements files"),
        ("-r gone.txt", "The requirements file 'gone.txt' is not there"),
        ("./gone.whl", "'./gone.whl' is not installed here"),
    ],
)
def test_a_wrong_line_of_a_file_is_refused_with_its_number(text, where, tmp_path):
    (tmp_path / "needs.txt").write_text(f"# one\nnumpy\n{text}\n")
    with pytest.raises(DependencyError) as refused:
        read(tmp_path, "needs.txt")
    assert where in str(refused.value)
    assert "needs.txt, line 3" in str(refused.value)


def test_a_wrong_entry_of_a_list_is_refused(tmp_path):
    with pytest.raises(DependencyError, match="'pandas==' is not a requirement"):
        read(tmp_path, "pandas==")


@pytest.mark.parametrize("between", ["@@", "@", ""])
def test_a_password_in_a_refused_line_is_not_shown(between, tmp_path):
    with pytest.raises(DependencyError) as refused:
        read(tmp_path, f"tool {between} https://ann:s3cret@host/tool.whl")
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("name", ["requirements.txt", "deps/more.in", "./needs", "gone.toml"])
def test_a_file_that_is_not_there_is_refused(name, tmp_path):
    with pytest.raises(DependencyError, match="is not there"):
        read(tmp_path, name)


@pytest.mark.parametrize(
    ("groups", "says"),
    [
        ("[dependency-groups]\ntrain = []\n", "no group 'trian'. Did you mean 'train'"),
        ("", "no group 'trian'. It has none"),
        (
            "[dependency-groups]\ntrian = [{include-group = 'b'}]\nb = [{include-group = 'trian'}]\n",
            "includes itself. trian includes b includes trian. Take one",
        ),
        (
            "[dependency-groups]\ntrian = ['pandas=2']\n",
            "'pandas=2' is not a requirement (pyproject.toml, group trian)",
        ),
        ("[dependency-groups\n", "cannot be read"),
    ],
)
def test_a_wrong_group_is_refused(groups, says, tmp_path):
    (tmp_path / "pyproject.toml").write_text(groups)
    with pytest.raises(DependencyError) as refused:
        read(tmp_path, groups=("trian",))
    assert says in str(refused.value)


def test_groups_need_a_pyproject(tmp_path):
    with pytest.raises(DependencyError, match="is not there"):
        read(tmp_path, groups=("train",))


def test_a_requirement_by_address_that_was_installed_from_there_is_taken_as_installed(place):
    wheel = place.wheel("tool")
    place.install(f"tool @ file://{wheel}")
    answer = place.run(f"""
import fairing
def f():
    from importlib.metadata import version
    return version("tool")
answer = fairing.train(f, requirements=["tool @ file://{wheel}"])
""")
    assert answer == "1.0"


def test_a_project_that_is_installed_from_its_folder_is_named_by_it(tmp_path):
    import fairing

    (tmp_path / "needs.txt").write_text(f"-e {fairing.__file__.rpartition('/fairing/')[0]}\n")
    assert read(tmp_path, "needs.txt") == ("fairing",)
