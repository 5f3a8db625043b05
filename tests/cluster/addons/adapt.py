#!/usr/bin/python3
"""A project's own manifests, fitted to a small offline cluster: YAML on standard input, a JSON List on standard output.

    adapt.py --image 'REGEX=IMAGE' [--drop 'REGEX on Kind/name'] [--drop-container NAME] [--arg ARG] [--ca-bundle FILE]

Always: images come from the local registry, CPU requests and limits go (two cores hold them all), readiness is asked
for every second instead of after half a minute, and the single replica elects no leader.
"""

import argparse
import base64
import json
import re
import sys
from pathlib import Path

import yaml

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--image", action="append", default=[])
parser.add_argument("--drop", action="append", default=[])
parser.add_argument("--drop-container", action="append", default=[])
parser.add_argument("--arg", action="append", default=[], help="one more argument for the containers of a Deployment")
parser.add_argument("--ca-bundle", help="the CA of the webhooks, where no cert-manager puts it in")
options = parser.parse_args()


def adapt_container(container):
    for rule in options.image:
        pattern, _, image = rule.rpartition("=")
        if re.search(pattern, container["image"]):
            container["image"] = image
            break
    else:
        sys.exit(f"no --image for {container['image']}")
    container["imagePullPolicy"] = "IfNotPresent"
    container.pop("resources", None)
    container["args"] = [arg for arg in container.get("args", []) if not arg.startswith("--leader-elect")] + options.arg
    if "readinessProbe" in container:
        container["readinessProbe"].update(initialDelaySeconds=0, periodSeconds=1, failureThreshold=120)


def adapt(item):
    name = f"{item['kind']}/{item['metadata']['name']}"
    if any(re.search(pattern, name) for pattern in options.drop):
        return None
    if item["kind"] in ("Deployment", "DaemonSet", "StatefulSet"):
        spec = item["spec"]["template"]["spec"]
        spec["containers"] = [c for c in spec["containers"] if c["name"] not in options.drop_container]
        for container in spec["containers"]:
            adapt_container(container)
    if options.ca_bundle:
        bundle = base64.b64encode(Path(options.ca_bundle).read_bytes()).decode()
        for webhook in item.get("webhooks", []):
            webhook["clientConfig"]["caBundle"] = bundle
        conversion = item.get("spec", {}).get("conversion", {}) if item["kind"] == "CustomResourceDefinition" else {}
        if "webhook" in conversion:
            conversion["webhook"]["clientConfig"]["caBundle"] = bundle
    return item


items = [adapt(item) for item in yaml.safe_load_all(sys.stdin) if item]
json.dump({"apiVersion": "v1", "kind": "List", "items": [item for item in items if item]}, sys.stdout, default=str)
