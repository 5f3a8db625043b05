"""What a type checker has to see; ``test_typing`` runs mypy over this file, and nobody runs the file itself."""

from __future__ import annotations

from typing import Any

from typing_extensions import assert_type

import fairing


def train(depth: int, *, name: str = "") -> dict[str, float]:
    return {name: depth / 2}


async def fetch(depth: int) -> bytes:
    return bytes(depth)


class Model:
    def fit(self, depth: int) -> Model:
        return self


# A value has the type that the function returns, also when it is async, a lambda, a method or a class.
assert_type(fairing.train(train, kwargs={"depth": 8}), dict[str, float])
assert_type(fairing.train(fetch, args=(8,)), bytes)
assert_type(fairing.train(lambda: 3), int)
assert_type(fairing.train(Model().fit, args=(8,)), Model)
assert_type(fairing.train(Model), Model)
assert_type(fairing.submit(train, (8,)), fairing.Job)
assert_type(fairing.submit("train.py", ["--depth", "8"]), fairing.Job)


# A decorated function keeps its parameters and its value, here and there.
@fairing.remote(gpus=1, memory="4Gi", env={"A": "3"}, include=["data/*"])
def decorated(depth: int, name: str = "") -> list[str]:
    return [name] * depth


@fairing.remote
def bare(depth: int) -> str:
    return str(depth)


assert_type(decorated(3), list[str])
assert_type(decorated.remote(3, name="x"), list[str])
assert_type(decorated.submit(3), fairing.Job)
assert_type(bare.remote(3), str)
assert_type(fairing.train(decorated, args=(3,)), list[str])
decorated.remote("three")  # type: ignore[arg-type]
bare.submit()  # type: ignore[call-arg]

# Options are checked by name and by type, by every verb.
fairing.train(train, (8,), gpus=1, on_interrupt="cancel", target=fairing.Target("small", memory="2Gi"))
fairing.train(train, (8,), gpu=1)  # type: ignore[call-overload]
fairing.submit(train, (8,), on_interrupt="stop")  # type: ignore[arg-type]
fairing.run_script("train.py", timeout="long")  # type: ignore[arg-type]
fairing.remote(workerz=2)  # type: ignore[call-overload]
fairing.use(memory=2**30, workers=2)


def patched(template: dict[str, Any]) -> dict[str, Any]:
    return template


fairing.train(train, (8,), gpus="a100:2", volumes={"/data": "pvc:data", "/run": {"csi": {"driver": "d"}}}, pod=patched)
fairing.submit(train, (8,), tolerations=["spot", {"key": "gpu"}], labels={"team": "a"}, secrets={"/key": "KEY"})
fairing.use(pod={"spec": {}}, affinity={"nodeAffinity": {}}, suspend=True, ttl=60)
fairing.train(train, (8,), volumes=3)  # type: ignore[call-overload]

# The rest of the public names.
assert_type(fairing.jobs(), fairing.api.runs.Jobs)
assert_type(fairing.attach("local://train-1f3a"), fairing.Job)
assert_type(fairing.doctor().good, bool)
fairing.settings(workers=2)
fairing.preview(train).entry.upper()
fairing.build("train.py").digest.upper()
fairing.run_cell("a = 1", {}, ["a"])
fairing.run_notebook("report.ipynb", {"year": 2026})
fairing.images()
fairing.prune(keep=3)
assert_type(fairing.Image("python:3.11-slim").pip("torch").apt("git").env({"A": "1"}, B=2), fairing.Image)
fairing.nothing  # type: ignore[attr-defined]


@fairing.remote
async def waited(depth: int) -> bytes:
    return bytes(depth)


assert_type(waited.remote(3), bytes)
