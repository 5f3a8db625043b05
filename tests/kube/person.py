"""What a person does, with secrets all around: runs that end well and badly, by both ways that code travels.

Each secret is in the environment of this process, as ``PLANT_<NAME>``, and where the test put it. What was said to the
person is written where the first argument says.
"""

import json
import os
import sys
import traceback
from pathlib import Path

import fairing
from fairing.errors import FairingError

unused_by_the_function = {"made": os.environ["PLANT_GLOBAL"]}
also_unused = os.environ["PLANT_GLOBAL"].encode()
said: list[str] = []


def train(argument, depth=1):
    print("environment", dict(os.environ))
    print("processes", [Path(f"/proc/{each}/environ").read_bytes() for each in ("self", "1")])
    return len(argument)


def fails(argument):
    local = os.environ["PLANTED_FOR_THE_RUN"]
    half = local[: len(local) // 2]
    raise ValueError(f"it fails with {len(half) + len(argument)} letters")


def started(**options):
    local = os.environ["PLANT_LOCAL"]  # noqa: F841 - it is what is planted
    argument = [os.environ["PLANT_ARGUMENT"]]
    yield fairing.submit(train, (argument,), {"depth": 2}, include=["**"], **options)
    yield fairing.submit(fails, (argument,), secrets=["PLANTED_FOR_THE_RUN"], **options)


def tried(verb, *arguments, **options):
    try:
        said.append(repr(verb(*arguments, **options)))
    except (FairingError, ValueError) as wrong:
        said.extend([str(wrong), repr(wrong), traceback.format_exc()])


jobs = [*started(), *started(builder="inline")]
tried(fairing.run_notebook, "analysis.ipynb", output="executed.ipynb")
for job in jobs:
    said.extend(repr(event) for event in job.events())
    tried(job.result)
    said.extend(map(repr, (job, job.status, job.handle, job.files(), job.logs())))
secretly = {"secrets": ["PLANTED_FOR_THE_RUN"], "env": {"DEPTH": os.environ["PLANT_VARIABLE"]}}
tried(fairing.build, train)
said.append(str(fairing.preview(train, include=["**"])))
said.extend(map(repr, (fairing.settings(), fairing.remote(**secretly)(train), fairing.Target("x", **secretly))))
said.extend(map(repr, (fairing.doctor(), fairing.jobs(), fairing.images(), fairing.Image("x").env(**secretly["env"]))))
tried(fairing.build, train, requirements=["absent-from-everywhere"])
os.environ["DOCKER_CONFIG"] = os.environ["WRONG_DOCKER_CONFIG"]
tried(fairing.build, train, repository=os.environ["FAIRING_REPOSITORY"] + "/other")
Path(sys.argv[1]).write_text(json.dumps(said), encoding="utf-8")
