"""The validator of image layouts finds what is wrong with one: each kind of damage, and nothing in a whole one."""

import gzip
import hashlib
import io
import json
import tarfile

import pytest

from fairing.oci import config
from fairing.testing.layouts import members, problems


def _entry(name, kind=tarfile.REGTYPE, **more):
    entry = tarfile.TarInfo(name)
    entry.type = kind
    for field, value in more.items():
        setattr(entry, field, value)
    return entry


def _tar(*entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for entry in entries:
            tar.addfile(entry)
    return out.getvalue()


GOOD = (_entry("a", tarfile.DIRTYPE), _entry("a/b"), _entry("c", tarfile.SYMTYPE, linkname="a/b"))


class Layout:
    """A layout of one image, written independently of the store."""

    def __init__(self, root):
        self.root = root
        self.tar = _tar(*GOOD)
        self.mtime = 0
        self.config = {"os": "linux", "architecture": "amd64", "history": [{"created_by": "x"}]}
        self.manifest = {"schemaVersion": 2, "mediaType": config.MANIFEST}
        self.descriptor = {}
        self.diff_id = None

    def write(self):
        (self.root / "blobs" / "sha256").mkdir(parents=True)
        (self.root / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        layer = self.put(gzip.compress(self.tar, mtime=self.mtime), config.LAYER)
        diff_id = self.diff_id or f"sha256:{hashlib.sha256(self.tar).hexdigest()}"
        settings = {"rootfs": {"type": "layers", "diff_ids": [diff_id]}, **self.config}
        manifest = {
            "config": self.put(json.dumps(settings).encode(), config.CONFIG),
            "layers": [layer],
            **self.manifest,
        }
        described = {**self.put(json.dumps(manifest).encode(), config.MANIFEST), **self.descriptor}
        (self.root / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [described]}))
        self.digests = {"layer": layer["digest"], "config": manifest["config"]["digest"], "image": described["digest"]}
        return self

    def put(self, data, media_type):
        digest = hashlib.sha256(data).hexdigest()
        (self.root / "blobs" / "sha256" / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    def blob(self, which):
        return self.root / "blobs" / "sha256" / self.digests[which][7:]


def test_a_whole_layout_has_no_problem(tmp_path):
    assert problems(Layout(tmp_path / "whole").write().root) == ()


def test_the_files_of_a_layer_are_read_back(tmp_path):
    assert members(Layout(tmp_path / "whole").write().blob("layer")) == {"a/b": (0o644, b""), "c": (0o644, b"a/b")}


@pytest.mark.parametrize("which", ["layer", "config", "image"])
def test_a_blob_that_is_missing_is_found(tmp_path, which):
    layout = Layout(tmp_path / "damaged").write()
    layout.blob(which).unlink()
    assert any("is not there" in each for each in problems(layout.root))


@pytest.mark.parametrize("which", ["layer", "config", "image"])
def test_a_blob_with_another_content_is_found(tmp_path, which):
    layout = Layout(tmp_path / "damaged").write()
    layout.blob(which).write_bytes(layout.blob(which).read_bytes() + b" ")
    said = " ".join(problems(layout.root))
    assert "has another content than its name says" in said
    assert "bytes, not" in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mtime": 1}, "holds the time at which it was packed"),
        ({"diff_id": f"sha256:{'0' * 64}"}, "its tar is not the diff_id"),
        ({"config": {"os": "linux", "architecture": "", "history": [{}]}}, "says no platform"),
        ({"config": {"os": "linux", "architecture": "amd64", "history": []}}, "1 layers, 1 diff_ids, 0 in the history"),
        ({"manifest": {"schemaVersion": 1, "mediaType": config.MANIFEST}}, "is not what it is described as"),
        ({"descriptor": {"mediaType": config.INDEX}}, "is a application/vnd.oci.image.index"),
        ({"descriptor": {"size": 1}}, "bytes, not 1"),
        ({"tar": _tar(_entry("b"), _entry("a"))}, "is not in order, or comes twice"),
        ({"tar": _tar(_entry("a"), _entry("a"))}, "is not in order, or comes twice"),
        ({"tar": _tar(_entry("/a"))}, "leads out"),
        ({"tar": _tar(_entry(".."), _entry("../a"))}, "leads out"),
        ({"tar": _tar(_entry("a/b"))}, "the folder of a/b is missing"),
        ({"tar": _tar(_entry("a", mtime=5))}, "says who packed it, or when"),
        ({"tar": _tar(_entry("a", uid=1000))}, "says who packed it, or when"),
        ({"tar": _tar(_entry("a", uname="me"))}, "says who packed it, or when"),
        ({"tar": _tar(_entry("a", tarfile.FIFOTYPE))}, "is no file, folder or symbolic link"),
    ],
)
def test_what_is_wrong_is_found(tmp_path, change, said):
    layout = Layout(tmp_path / "damaged")
    for name, value in change.items():
        setattr(layout, name, value)
    assert any(said in each for each in problems(layout.write().root))


def test_a_name_that_stands_for_two_images_is_found(tmp_path):
    layout = Layout(tmp_path / "damaged").write()
    index = json.loads((layout.root / "index.json").read_text())
    (layout.root / "index.json").write_text(json.dumps({**index, "manifests": index["manifests"] * 2}))
    assert "index.json: a name stands for two images" in problems(layout.root)


@pytest.mark.parametrize(
    ("file", "said"), [("oci-layout", "not version 1.0.0"), ("index.json", "not schema version 2")]
)
def test_another_version_is_found(tmp_path, file, said):
    layout = Layout(tmp_path / "damaged").write()
    text = (layout.root / file).read_text().replace("1.0.0", "9").replace('"schemaVersion": 2', '"schemaVersion": 9')
    (layout.root / file).write_text(text)
    assert any(said in each for each in problems(layout.root))
