"""Runs functions with the Kubeflow SDK's TrainerClient; started with the Python of an environment that has it.

For each number on stdin it trains, and prints the first line of the log when it comes, then ``done``. The SDK waits by
asking every two seconds whether a job is running; here it is asked all the time, which flatters it.
"""

import sys
import time

from kubeflow.common.types import KubernetesBackendConfig
from kubeflow.trainer import CustomTrainer, TrainerClient


def work(number):
    """Print a line."""
    print("turn", number, flush=True)


def main(context, namespace, runtime):
    """Train until stdin ends."""
    client = TrainerClient(KubernetesBackendConfig(namespace=namespace, context=context))
    for line in sys.stdin:
        name = client.train(client.get_runtime(runtime), trainer=CustomTrainer(work, {"number": int(line)}))
        while not (first := _first(client, name)):
            time.sleep(0.01)
        print(first, flush=True)
        client.delete_job(name)
        print("done", flush=True)


def _first(client, name):
    try:
        return next(iter(client.get_job_logs(name, follow=True)), "")
    except RuntimeError:  # its container has not started
        return ""


main(*sys.argv[1:])
