"""A device that was decided here is named when GPUs are asked for."""

import importlib
import sys

import pytest

from fairing.capture.function import capture
from fairing.config.options import options

TORCH = """
class device:
    def __init__(self, kind): self.type = kind
class cuda:
    @staticmethod
    def is_available(): return False
    @staticmethod
    def device_count(): return 0
"""


@pytest.fixture
def torch(tmp_path, monkeypatch):
    """A module with torch's names, really imported: torch itself is a gigabyte."""
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch/__init__.py").write_text(TORCH)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = sys.modules.pop("torch", None)
    importlib.invalidate_caches()
    yield importlib.import_module("torch")
    del sys.modules["torch"]
    if before is not None:
        sys.modules["torch"] = before


def warned(function, args=(), gpus=1):
    return capture(function, args, {}, options({"gpus": gpus})).report.warnings


def test_a_captured_torch_device_is_named_when_gpus_are_asked_for(torch):
    device = torch.device("cpu")

    def train():
        return device.type

    assert warned(train) == (
        "device (a torch.device) of train was decided by the devices of this machine: decide it inside the function.",
    )
    assert warned(train, gpus=0) == ()


def test_what_a_device_check_said_is_named(torch):
    use_cuda = torch.cuda.is_available()
    where = "cuda" if use_cuda else "cpu"
    n_gpus = torch.cuda.device_count()

    def train():
        return use_cuda, where, n_gpus

    assert sorted(each.split()[0] for each in warned(train)) == ["n_gpus", "use_cuda", "where"]


def test_a_device_among_the_arguments_is_named(torch):
    assert warned(lambda device: device, (torch.device("cuda:0"),))[0].startswith("device (a torch.device) of lambda")
    assert warned(lambda device: device, ("cuda:1",))[0].startswith("device of lambda")


def test_other_values_are_not_named():
    depth, flag, word, count = 3, True, "cpus are fast", 2

    def train():
        return depth, flag, word, count

    assert warned(train) == ()
