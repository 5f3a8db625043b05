"""Ranked processes: what distributed code expects to find, and how many end as one."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fairing
from fairing.errors import RunKilled
from fairing.events import Text
from fairing.runtime.rendezvous import variables
from tests.deployers.watch import failures, folder, said


def meet():
    """Let rank 0 hear from the others, at the address that each was given."""
    import os
    import socket

    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    address = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    print("rank", rank, flush=True)
    if rank:
        while True:
            try:
                with socket.create_connection(address) as hello:
                    hello.sendall(b"%d" % rank)
                    return rank
            except ConnectionRefusedError:
                continue
    heard = [0]
    with socket.create_server(address) as listener:
        while len(heard) < size:
            connection, _ = listener.accept()
            with connection:
                heard.append(int(connection.recv(8)))
    return sorted(heard)


def test_workers_meet_and_the_first_ones_value_is_the_runs():
    assert fairing.train(meet, workers=3) == [0, 1, 2]


def test_workers_sources_are_told_apart():
    job = fairing.submit(meet, workers=2)
    texts = {(str(event.at.source), event.text) for event in job.events() if isinstance(event, Text)}
    assert texts == {("worker-0", "rank 0\n"), ("worker-1", "rank 1\n")}


def test_when_one_worker_fails_the_others_are_ended_and_its_exception_is_raised():
    def fail():
        import contextlib
        import os
        import pathlib
        import signal

        with contextlib.suppress(FileExistsError):
            os.mkfifo("up")
        if os.environ["RANK"] == "1":
            pathlib.Path("up").open().close()  # when the other is where it can be ended
            raise KeyError("only here")
        try:
            pathlib.Path("up").open("w").close()
            signal.pause()
        finally:
            print("was ended", flush=True)

    job = fairing.submit(fail, workers=2)
    with pytest.raises(KeyError, match="only here"):
        job.result()
    assert [(each.ename, str(each.at.source)) for each in failures(job)] == [("KeyError", "worker-1")]
    assert said(job, "was ended")


def test_when_one_worker_is_killed_all_start_again():
    def once():
        import os
        import pathlib
        import signal

        if pathlib.Path("second").exists():
            return "again"
        if os.environ["RANK"] == "1":
            pathlib.Path("second").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        signal.pause()
        return None

    job = fairing.submit(once, workers=2, retries=1)
    assert job.result() == "again"
    assert len([log for log in (folder(job) / "logs").iterdir() if log.name.startswith("worker")]) == 4


def test_the_worker_that_was_killed_is_named():
    def end():
        import os
        import signal

        os.kill(os.getpid(), signal.SIGKILL if os.environ["RANK"] == "1" else signal.SIGSTOP)

    job = fairing.submit(end, workers=2, grace=0.1)
    with pytest.raises(RunKilled):
        job.result()
    assert "worker-1" in job.status.reason


def test_one_process_alone_is_told_nothing_of_ranks():
    def ranks():
        import os

        return [name for name in os.environ if name in {"RANK", "WORLD_SIZE", "TF_CONFIG", "LOCAL_RANK"}]

    assert fairing.train(ranks) == []


LOCAL = {"rank": 1, "size": 2, "host": "127.0.0.1", "port": 4000, "jax_port": 4001, "local_rank": 1, "local_size": 2}


def test_local_ranks_give_every_frameworks_variables():
    found = variables({"place": {**LOCAL, "hosts": ["127.0.0.1:4002", "127.0.0.1:4003"]}}, {})
    wanted = {
        "RANK": "1",
        "WORLD_SIZE": "2",
        "LOCAL_RANK": "1",
        "LOCAL_WORLD_SIZE": "2",
        "NODE_RANK": "0",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "4000",
        "PET_NNODES": "1",
        "PET_NPROC_PER_NODE": "2",
        "JAX_COORDINATOR_ADDRESS": "127.0.0.1:4001",
        "JAX_NUM_PROCESSES": "2",
        "JAX_PROCESS_ID": "1",
        "DMLC_TASK_ID": "1",
        "JOB_COMPLETION_INDEX": "1",
    }
    assert {name: found.get(name) for name in wanted} == wanted
    assert json.loads(found["TF_CONFIG"]) == {
        "cluster": {"worker": ["127.0.0.1:4002", "127.0.0.1:4003"]},
        "task": {"type": "worker", "index": 1},
    }


def test_tf_config_gives_the_others_variables_and_stays_as_it_is():
    config = {
        "cluster": {"chief": ["j-chief-0.ns.svc:2222"], "worker": {"1": "j-worker-1.ns.svc:2222"}, "ps": ["p:2222"]},
        "task": {"type": "worker", "index": 1},
    }
    found = variables({}, {"TF_CONFIG": json.dumps(config)})
    assert (found["RANK"], found["WORLD_SIZE"], found["MASTER_ADDR"]) == ("1", "2", "j-chief-0.ns.svc")
    assert found["MASTER_PORT"] != "2222"
    assert "TF_CONFIG" not in found


@pytest.mark.parametrize("role", ["ps", "evaluator"])
def test_who_does_not_train_has_no_rank(role):
    config = {"cluster": {"worker": ["a:1", "b:1"], role: ["c:1"]}, "task": {"type": role, "index": 0}}
    assert variables({}, {"TF_CONFIG": json.dumps(config)}) == {}


def test_torchruns_variables_give_tensorflows_with_every_address():
    given = {"PET_NODE_RANK": "1", "PET_NNODES": "3", "PET_MASTER_ADDR": "t-node-0-0.t", "PET_MASTER_PORT": "29500"}
    found = variables({}, given)
    assert (found["RANK"], found["WORLD_SIZE"], found["MASTER_ADDR"]) == ("1", "3", "t-node-0-0.t")
    hosts = json.loads(found["TF_CONFIG"])["cluster"]["worker"]
    assert [host.partition(":")[0] for host in hosts] == ["t-node-0-0.t", "t-node-0-1.t", "t-node-0-2.t"]


def test_a_master_with_workers_is_rank_0():
    given = {"RANK": "2", "WORLD_SIZE": "3", "MASTER_ADDR": "j-master-0", "MASTER_PORT": "23456"}
    found = variables({}, given)
    hosts = json.loads(found["TF_CONFIG"])["cluster"]["worker"]
    assert [host.partition(":")[0] for host in hosts] == ["j-master-0", "j-worker-0", "j-worker-1"]
    assert not set(given) & set(found)


def test_the_index_of_an_indexed_job_is_the_rank():
    given = {"JOB_COMPLETION_INDEX": "3", "FAIRING_REPLICAS": "4", "FAIRING_COORDINATOR": "train-0.train:1234"}
    found = variables({}, given)
    assert (found["RANK"], found["WORLD_SIZE"], found["MASTER_PORT"]) == ("3", "4", "1234")
    assert found["JAX_COORDINATOR_ADDRESS"] == "train-0.train:1235"


def test_an_elastic_job_is_left_to_torchrun():
    assert variables({}, {"PET_NODE_RANK": "0", "PET_NNODES": "2:4", "PET_MASTER_ADDR": "a"}) == {}


@given(
    st.dictionaries(
        st.sampled_from(["TF_CONFIG", "RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "PET_NNODES"]),
        st.one_of(
            st.text(st.characters(codec="ascii"), max_size=20),
            st.recursive(st.none() | st.integers() | st.text(max_size=5), st.lists, max_leaves=5).map(json.dumps),
            st.fixed_dictionaries({"cluster": st.just({"worker": "x"}), "task": st.just({})}).map(json.dumps),
        ),
    )
)
def test_whatever_the_platform_says_never_stops_a_run(given_variables):
    found = variables({}, given_variables)
    assert all(isinstance(value, str) for value in found.values())
