"""The files of deploy/kubernetes: the schema of Kubernetes, and that their parts fit each other."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from flask import Flask
from rooms import create_app

from proxyhooks import ProxyHooks, RPCRequest, RPCResult
from proxyhooks import gunicorn as settings
from proxyhooks._settings.secrets import SECRET_HEADER
from tests.support import http_client
from tests.support.centrifugo import centrifugo_binary
from tests.support.paths import ROOT
from tests.support.servers import answers, free_port, running_server, server_environment

yaml: Any = importlib.import_module("yaml")  # it has no types

FOLDER: Final = ROOT / "deploy" / "kubernetes"
KUSTOMIZATION: Final = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
RESOURCES: Final = [
    resource for name in KUSTOMIZATION["resources"] for resource in yaml.safe_load_all((FOLDER / name).read_text())
]
CENTRIFUGO: Final = json.loads((FOLDER / "centrifugo.json").read_text())
CENTRIFUGO_SHUTDOWN: Final = CENTRIFUGO.get("shutdown", {}).get("timeout", "30s")
"""Of the configuration, or Centrifugo's default."""
NAMES: Final = ("backend", "centrifugo")
LABEL: Final = "app.kubernetes.io/name"


def resource(kind: str, name: str) -> Any:
    (found,) = [one for one in RESOURCES if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def pod(name: str) -> Any:
    return resource("Deployment", name)["spec"]["template"]["spec"]


def container(name: str) -> Any:
    (found,) = pod(name)["containers"]
    return found


def containers() -> Iterator[Any]:
    for name in NAMES:
        yield from pod(name).get("initContainers", [])
        yield from pod(name)["containers"]


def container_ports(name: str) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for port in container(name)["ports"]}


def environment(name: str) -> dict[str, Any]:
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in container(name)["env"]}


def settings_of(value: Any, key: str) -> Iterator[Any]:
    """The values of a key at any depth."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == key:
                yield inner
            yield from settings_of(inner, key)
    if isinstance(value, list):
        for inner in value:
            yield from settings_of(inner, key)


def test_kubernetes_accepts_the_files() -> None:
    files = [str(FOLDER / name) for name in KUSTOMIZATION["resources"]]
    command = [sys.executable, "-m", "kubernetes_validate", "--strict", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed
    assert printed.count(" passed ") == len(RESOURCES)


def test_kustomize_has_all_files() -> None:
    generated = [file.partition("=")[2] for one in KUSTOMIZATION["configMapGenerator"] for file in one["files"]]
    files = {path.name for path in FOLDER.iterdir()}
    assert files == {"kustomization.yaml", *KUSTOMIZATION["resources"], *generated}


def test_images_are_those_of_kustomize_or_have_a_version() -> None:
    renamed = {image["name"] for image in KUSTOMIZATION["images"]}
    for one in containers():
        assert one["image"] in renamed or re.search(r":v?\d+\.\d+\.\d+$", one["image"])


# stopping


def test_the_grace_period_is_longer_than_the_pause_and_the_graceful_stop() -> None:
    shutdown = {"backend": settings.graceful_timeout, "centrifugo": int(CENTRIFUGO_SHUTDOWN.removesuffix("s"))}
    for name in NAMES:
        pause = container(name)["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert pause > 0
        assert pod(name)["terminationGracePeriodSeconds"] > pause + shutdown[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_new_pod_serves_before_an_old_one_stops(name: str) -> None:
    strategy = resource("Deployment", name)["spec"]["strategy"]["rollingUpdate"]
    assert strategy == {"maxSurge": 1, "maxUnavailable": 0}


@pytest.mark.parametrize("name", NAMES)
def test_a_drained_node_leaves_a_pod(name: str) -> None:
    budget = resource("PodDisruptionBudget", name)["spec"]
    assert 0 < budget["maxUnavailable"] < resource("Deployment", name)["spec"]["replicas"]


# names


@pytest.mark.parametrize("name", NAMES)
def test_selectors_find_the_pods(name: str) -> None:
    deployment = resource("Deployment", name)["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    selectors = [
        deployment["selector"]["matchLabels"],
        resource("Service", name)["spec"]["selector"],
        resource("PodDisruptionBudget", name)["spec"]["selector"]["matchLabels"],
        *(one["labelSelector"]["matchLabels"] for one in deployment["template"]["spec"]["topologySpreadConstraints"]),
    ]
    assert len(selectors) == 4
    for selector in selectors:
        assert selector == {LABEL: name}
        assert selector.items() <= labels.items()


@pytest.mark.parametrize("name", NAMES)
def test_services_and_probes_name_ports_of_the_container(name: str) -> None:
    ports = container_ports(name)
    for port in resource("Service", name)["spec"]["ports"]:
        assert port["port"] == ports[port["targetPort"]]
    probes = [container(name)[f"{kind}Probe"]["httpGet"] for kind in ("startup", "readiness", "liveness")]
    assert {probe["port"] for probe in probes} <= ports.keys()


def test_the_ports_are_those_that_the_servers_listen_to() -> None:
    assert container_ports("backend") == {
        "hooks": 8070,
        "metrics": int(environment("backend")["PROXYHOOKS_METRICS_BIND"].partition(":")[2]),
    }
    internal = int(CENTRIFUGO["http_server"]["internal_port"])
    assert container_ports("centrifugo") == {"clients": 8000, "internal": internal}


def test_centrifugo_asks_the_service_of_the_backend_and_the_backend_that_of_centrifugo() -> None:
    endpoints = [*settings_of(CENTRIFUGO, "endpoint")]
    assert len(endpoints) == 6
    backend, centrifugo = container_ports("backend")["hooks"], container_ports("centrifugo")["internal"]
    for endpoint in endpoints:
        assert endpoint.startswith(f"http://backend:{backend}/centrifugo/")
    assert environment("backend")["FLASK_CENTRIFUGO_API_URL"] == f"http://centrifugo:{centrifugo}/api"


def test_the_address_of_the_page_is_that_of_the_ingress() -> None:
    (rule,) = resource("Ingress", "rooms")["spec"]["rules"]
    assert environment("centrifugo")["CENTRIFUGO_CLIENT_ALLOWED_ORIGINS"] == f"https://{rule['host']}"
    websocket = environment("backend")["FLASK_CENTRIFUGO_WEBSOCKET_URL"]
    assert websocket == f"wss://{rule['host']}/connection/websocket"
    for path in rule["http"]["paths"]:
        service = path["backend"]["service"]
        ports = {port["name"] for port in resource("Service", service["name"])["spec"]["ports"]}
        assert service["port"]["name"] in ports


@pytest.mark.centrifugo
def test_centrifugo_starts_with_these_variables_and_lets_in_only_the_page_of_the_ingress(tmp_path: Path) -> None:
    port, internal, log = free_port(), free_port(), tmp_path / "log"
    variables = {
        name: value if isinstance(value, str) else "of a Secret" for name, value in environment("centrifugo").items()
    }
    here = {
        "CENTRIFUGO_ENGINE_TYPE": "memory",  # in place of the cluster's Redis
        "CENTRIFUGO_HTTP_SERVER_ADDRESS": "127.0.0.1",
        "CENTRIFUGO_HTTP_SERVER_PORT": str(port),
        "CENTRIFUGO_HTTP_SERVER_INTERNAL_PORT": str(internal),
    }
    program, *arguments = container("centrifugo")["command"]
    assert (program, arguments) == ("centrifugo", ["-c", "/centrifugo/config.json"])
    command = [centrifugo_binary(), "-c", str(FOLDER / "centrifugo.json")]
    env = server_environment() | variables | here
    probed = {
        container("centrifugo")[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness", "liveness")
    }
    with running_server(command, log, is_ready=lambda: answers(internal, *probed), env=env):
        assert [http_client.request(internal, "GET", path).status for path in probed] == [200]
        assert websocket_status(port, variables["CENTRIFUGO_CLIENT_ALLOWED_ORIGINS"]) == 101
        assert websocket_status(port, "http://localhost:8070") == 403
        assert http_client.request(port, "POST", "/centrifugo/connect", b"{}").status == 404
    assert "warn" not in log.read_text()


def websocket_status(port: int, origin: str) -> int:
    """The status of the reply to a browser's request for a WebSocket."""
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Origin": origin}
    headers["Sec-WebSocket-Key"] = "MDEyMzQ1Njc4OWFiY2RlZg=="
    return http_client.request(port, "GET", "/connection/websocket", headers=headers).status


def test_the_ingress_passes_no_request_to_hooks() -> None:
    (rule,) = resource("Ingress", "rooms")["spec"]["rules"]
    services = {path["path"]: path["backend"]["service"]["name"] for path in rule["http"]["paths"]}
    to_centrifugo = dict.fromkeys(("/connection/", "/emulation", "/centrifugo"), "centrifugo")
    assert services == to_centrifugo | {"/": "backend"}
    types = {path["path"]: path["pathType"] for path in rule["http"]["paths"]}
    assert types == dict.fromkeys(services, "Prefix") | {"/emulation": "Exact"}


def test_variables_of_the_environment_are_settings_of_rooms() -> None:
    app = create_app({"SECRET_KEY": "for tests", "PROXYHOOKS_SECRETS": ["for tests"]})
    known = {f"FLASK_{key}" for key in (*app.config, "PROXYHOOKS_SECRETS_FILE")}
    services = yaml.safe_load((ROOT / "deploy" / "docker" / "compose.yaml").read_text())["services"]
    named = {*environment("backend"), *services["backend"]["environment"]}
    named |= {secret["target"] for secret in services["backend"]["secrets"]}
    flask = {name for name in named if name.startswith("FLASK_")}
    assert len(flask) >= 6
    assert flask <= known


# who reaches whom


def reached_by(name: str) -> dict[int, list[str]]:
    """For each port of the pods, the pods and namespaces that may open connections to it."""
    reached: dict[int, list[str]] = {}
    for rule in resource("NetworkPolicy", name)["spec"]["ingress"]:
        for port in rule["ports"]:
            callers = reached.setdefault(container_ports(name)[port["port"]], [])
            callers += [described(peer) for peer in rule["from"]]
    return reached


def described(peer: Any) -> str:
    namespace = peer.get("namespaceSelector", {}).get("matchLabels", {}).get("kubernetes.io/metadata.name", "")
    name = peer.get("podSelector", {}).get("matchLabels", {}).get(LABEL, "")
    assert namespace or name in NAMES, peer
    return f"{namespace}/{name}"


def test_only_those_that_need_a_port_reach_it() -> None:
    everybody_else = resource("NetworkPolicy", "default-deny")["spec"]
    assert everybody_else == {"podSelector": {}, "policyTypes": ["Ingress"]}
    for name in NAMES:
        assert resource("NetworkPolicy", name)["spec"]["podSelector"]["matchLabels"] == {LABEL: name}
    assert reached_by("backend") == {8070: ["/centrifugo", "ingress-nginx/"], 9070: ["monitoring/prometheus"]}
    assert reached_by("centrifugo") == {8000: ["ingress-nginx/"], 9000: ["/backend", "monitoring/prometheus"]}


def test_the_policies_let_the_controller_of_the_ingress_in() -> None:
    controller = f"ingress-{resource('Ingress', 'rooms')['spec']['ingressClassName']}/"
    assert controller in reached_by("backend")[8070]
    assert controller in reached_by("centrifugo")[8000]


# rights


def test_containers_run_without_rights_and_cannot_write_to_their_root() -> None:
    for name in NAMES:
        assert pod(name)["securityContext"]["runAsNonRoot"] is True
        assert pod(name)["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod(name)["automountServiceAccountToken"] is False
        assert pod(name)["enableServiceLinks"] is False
    for one in containers():
        assert one["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert one["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in one["resources"]["limits"]
    # Any user works, and that of the image is a number, which runAsNonRoot can check.
    assert "runAsUser" not in pod("backend")["securityContext"]


def test_temporary_files_are_in_memory() -> None:
    volumes = {volume["name"]: volume for volume in pod("backend")["volumes"]}
    mounts = {mount["mountPath"]: mount["name"] for mount in container("backend")["volumeMounts"]}
    assert volumes[mounts["/tmp"]]["emptyDir"]["medium"] == "Memory"


# the secret


def test_backend_and_centrifugo_have_the_secret_from_the_same_object() -> None:
    (volume,) = [one["secret"] for one in pod("backend")["volumes"] if "secret" in one]
    (mount,) = [one for one in container("backend")["volumeMounts"] if one["name"] == "proxyhooks"]
    (item,) = volume["items"]
    assert environment("backend")["FLASK_PROXYHOOKS_SECRETS_FILE"] == f"{mount['mountPath']}/{item['path']}"
    assert "subPath" not in mount, "kubelet does not update the file of a subPath"
    variable = environment("centrifugo")["CENTRIFUGO_VAR_PROXYHOOKS_SECRET"]["secretKeyRef"]
    assert variable["name"] == volume["secretName"]
    assert variable["key"] != item["key"], "the list has more than one secret while they are replaced"
    assert all(value == "${CENTRIFUGO_VAR_PROXYHOOKS_SECRET}" for value in settings_of(CENTRIFUGO, SECRET_HEADER))


class MountedSecret:
    """A volume of a Secret as kubelet keeps it: a link to a link to the folder of this version."""

    def __init__(self, mount: Path, content: str) -> None:
        self._mount = mount
        self._version = 0
        mount.mkdir()
        (mount / "secrets").symlink_to("..data/secrets")
        self.update(content)

    def update(self, content: str) -> None:
        old = self._mount / f"..{self._version}"
        self._version += 1
        new = self._mount / f"..{self._version}"
        new.mkdir()
        (new / "secrets").write_text(content)
        link = self._mount / "..data_tmp"
        link.symlink_to(new.name)
        link.rename(self._mount / "..data")
        if old.exists():
            (old / "secrets").unlink()
            old.rmdir()


def test_a_secret_is_replaced_without_a_refused_call_when_kubelet_swaps_the_link(tmp_path: Path) -> None:
    mounted = MountedSecret(tmp_path / "mount", "old\n")
    app = Flask("app")
    app.config["PROXYHOOKS_SECRETS_FILE"] = str(tmp_path / "mount" / "secrets")
    hooks = ProxyHooks(app)

    @hooks.rpc("ping")
    def ping(req: RPCRequest) -> RPCResult:
        return RPCResult(data="pong")

    def status(secret: str) -> int:
        body = {"client": "1", "transport": "websocket", "protocol": "json", "encoding": "json", "user": "7"}
        sent = app.test_client().post(
            "/centrifugo/rpc", json=body | {"method": "ping"}, headers={SECRET_HEADER: secret}
        )
        return sent.status_code

    assert [status("old"), status("new")] == [200, 403]
    mounted.update("new\nold\n")
    assert [status("old"), status("new")] == [200, 200]
    mounted.update("new\n")
    assert [status("old"), status("new")] == [403, 200]
