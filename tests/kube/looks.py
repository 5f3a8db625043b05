"""What a run finds of what its options asked for; it travels alone, and needs nothing but Python."""

import os
from pathlib import Path


def look():
    """Say what is there, and leave a file behind for the next run."""

    def mode(path):
        found = Path(path).stat()
        return oct(found.st_mode & 0o777), found.st_uid, os.access(path, os.R_OK)

    def writable(folder):
        try:
            (Path(folder) / "tried").write_text("x")
        except OSError as refused:
            return type(refused).__name__
        return True

    kept = Path("/data/kept")
    before = kept.read_text() if kept.exists() else None
    kept.write_text("by the first")
    Path("/data/models/first").touch()
    account = Path("/var/run/secrets/kubernetes.io/serviceaccount")
    return {
        "user": os.getuid(),
        "home": writable(os.environ["HOME"]),
        "work": writable("."),
        "before": before,
        "models": sorted(path.name for path in Path("/models").iterdir()),
        "writable": {folder: writable(folder) for folder in ("/scratch", "/dev/shm", "/models", "/etc/train")},
        "shared memory": os.statvfs("/dev/shm").f_blocks * os.statvfs("/dev/shm").f_frsize,
        "config": (Path("/etc/train/one.yaml").read_text(), Path("/etc/one.yaml").read_text()),
        "keys": Path("/etc/keys/token").read_text(),
        "files": {name: Path(f"/run/keys/{name}").read_text() for name in ("api", "token")},
        "modes": {path: mode(path) for path in ("/run/keys/api", "/run/keys/token")},
        "variables": {name: os.environ.get(name) for name in ("API_KEY", "TOKEN", "DEPTH", "DOLLAR", "PATCHED")},
        "account": (account / "token").exists(),
    }
