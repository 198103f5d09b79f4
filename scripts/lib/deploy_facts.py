"""What no tool checks of deploy/: files that agree with one another. Called by scripts/check-deploy.

  compose RESOLVED                      what services mount from the checkout is there
  limits MANIFESTS CONFIG COMPOSE       memory limits of containers are a tenth above workers.memory_limit
  commands COMPOSE RENDERED             prints each command of ours that a container is given, one a line
  unpack CONFIGMAPS FOLDER              each ConfigMap as a folder of files
  pods RENDERED                         prints a Pod for each pod template, as its controller would make it
"""

import pathlib
import re
import shlex
import sys

import yaml

UNITS = {"k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
# What is compared with the limit is rounded to whole MiB.
MARGIN = (1.09, 1.13)


def main(command, *paths):
    known = {"compose": compose, "limits": limits, "commands": commands, "unpack": unpack, "pods": pods}
    sys.exit("\n".join(known[command](*map(pathlib.Path, paths))) or 0)


def documents(path):
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def compose(resolved):
    services = documents(resolved)[0]["services"]
    for name, service in services.items():
        for volume in service.get("volumes", []):
            if volume["type"] == "bind" and not pathlib.Path(volume["source"]).exists():
                yield f"{name} mounts {volume['source']}, which is not there"
        if "healthcheck" not in service and service.get("restart") != "no":
            yield f"{name} has no health check"
        for port in service.get("ports", []):
            if port.get("host_ip") != "127.0.0.1":
                yield f"{name} opens port {port['published']} to others than this machine"


def limits(base, config, compose_file):
    """Yields what is wrong."""
    maps = {document["metadata"]["name"]: document for document in documents(base / "configmap.yaml")}
    ours = memory_limit(maps["tidegauge-config"]["data"]["tidegauge.yaml"])
    pod = documents(base / "statefulset.yaml")[0]["spec"]["template"]["spec"]
    yield from margin("statefulset.yaml", ours, size(pod["containers"][0]["resources"]["limits"]["memory"]))
    compose_limit = documents(compose_file)[0]["services"]["tidegauge"]["mem_limit"]
    yield from margin("docker-compose.yml", memory_limit(config.read_text()), size(compose_limit.upper() + "i"))
    grace = pod["terminationGracePeriodSeconds"]
    if grace < 12:
        yield f"statefulset.yaml: {grace} s of grace, and SIGTERM takes up to 10 s"


def memory_limit(text):
    return size(yaml.safe_load(text)["workers"]["memory_limit"].replace("B", ""))


def size(text):
    number, unit = re.fullmatch(r"([0-9.]+) ?([A-Za-z]*)", text).groups()
    return float(number) * UNITS.get(unit, 1)


def margin(name, ours, theirs):
    if not MARGIN[0] <= theirs / ours <= MARGIN[1]:
        yield f"{name}: a limit of {theirs / 2**20:.0f} MiB is not a tenth above workers.memory_limit, {ours / 2**20:.0f} MiB"


def commands(compose_file, rendered):
    services = documents(compose_file)[0]["services"]
    containers = [service for service in services.values() if service["image"].startswith("tidegauge:")]
    for document in documents(rendered):
        pod = document.get("spec", {}).get("template", {}).get("spec", {})
        containers += [{"command": container["args"]} for container in pod.get("containers", [])]
    for container in containers:
        if "entrypoint" not in container:
            print(shlex.join(container["command"]))
            continue
        # A line of shell.
        for command in re.split(r"[|;&]+", container["command"][0]):
            words = shlex.split(command)
            if words[:1] == ["tidegauge"]:
                print(shlex.join("1" if word.startswith("$") else word for word in words[1:]))
    return ()


def unpack(path, folder):
    for document in documents(path):
        into = folder / document["metadata"]["name"]
        into.mkdir(parents=True)
        for name, text in document["data"].items():
            (into / name).write_text(text)
    return ()


def pods(path):
    for document in documents(path):
        template = document.get("spec", {}).get("template")
        if template:
            name = {"name": document["metadata"]["name"] + "-0", "namespace": document["metadata"]["namespace"]}
            metadata = template.get("metadata", {}) | name
            print(yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}))
            print("---")
    return ()


main(*sys.argv[1:])
