"""A run on this machine needs no registry, and loads nothing of one."""

import subprocess
import sys

REGISTRY = (
    "urllib3",
    "docker",
    "fairing.oci.registry",
    "fairing.oci.pinned",
    "fairing.oci.known",
    "fairing_builders.pushed",
)


def test_a_run_on_this_machine_loads_nothing_of_registries(tmp_path):
    program = f"""
import sys, fairing
assert fairing.train(pow, (2, 5), requirements=["tqdm"]) == 32
print([name for name in {REGISTRY} if name in sys.modules])
"""
    ran = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True, cwd=tmp_path)
    assert ran.stdout.splitlines()[-1] == "[]"
