"""What strangers write: installed as theirs is, and held against the promises in a process of its own."""

import json
import subprocess
import sys

HOLD = """
import importlib
import json
import sys
import warnings

warnings.simplefilter("error")
suite = importlib.import_module(f"fairing.testing.{sys.argv[1]}")
broken = {}
for name in sys.argv[2:]:
    broken[name] = {}
    for promise in suite.PROMISES:
        try:
            promise(name)
        except Exception as said:
            broken[name][promise.__name__] = f"{type(said).__name__}: {said}"
print(json.dumps(broken))
"""


def install(folder, kind, name, source, attribute):
    """Install a distribution as pip does: a module, and a dist-info folder with its entry point."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / f"{name}.py").write_text(source.replace('"stranger"', repr(name)))
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "RECORD").write_text(f"{name}.py,,\n{name}-1.0.dist-info/METADATA,,\n")
    (info / "entry_points.txt").write_text(f"[fairing.{kind}]\n{name} = {name}:{attribute}\n")


def broken_promises(folder, kind, *names):
    """Hold every promise against what is installed in a folder, in a process that has it on its path."""
    program = f"import sys; sys.path.insert(0, {str(folder)!r})\n{HOLD}"
    done = subprocess.run([sys.executable, "-c", program, kind, *names], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def asked(request):
    """Return the promises whose breaking is looked at in this session, of the module that asks."""
    return [
        each.callspec.params["promise"]
        for each in request.session.items
        if each.path == request.path and "broken" in each.fixturenames
    ]
