"""The files of deploy/docker: their linters, the steps of the Dockerfile, and the services of compose with clients.

There is no docker here. The steps of the Dockerfile run in folders of the test, and the services of compose.yaml as
processes, with the commands, the environment and the files that docker would give them.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner
from rooms import create_app

from proxyhooks import gunicorn as settings
from proxyhooks.cli import centrifugo as centrifugo_commands
from proxyhooks.cli import new
from tests.deploy import dockerfile
from tests.real_centrifugo.client import Client
from tests.support import http_client
from tests.support.centrifugo import centrifugo_binary
from tests.support.paths import ROOT
from tests.support.servers import (
    accepts_connections,
    answers,
    free_port,
    running_server,
    server_environment,
    stop_process,
)
from tests.support.waiting import wait_until
from tests.support.wheel import PIP, add_packages_of_the_tests, run

yaml: Any = importlib.import_module("yaml")  # it has no types

FOLDER: Final = ROOT / "deploy" / "docker"
BUILD, IMAGE = dockerfile.read(FOLDER / "Dockerfile")
COMPOSE: Final = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES: Final = COMPOSE["services"]


# what their linters say


def test_hadolint_finds_nothing_and_no_rule_is_off() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    run(hadolint, "--no-color", FOLDER / "Dockerfile", cwd=FOLDER)
    assert "hadolint" not in (FOLDER / "Dockerfile").read_text()


def test_compose_accepts_the_file() -> None:
    check = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec")
    run(*check, FOLDER / "compose.yaml", cwd=FOLDER)


def test_centrifugos_configuration_is_written_from_the_hooks_of_rooms() -> None:
    app = create_app({"SECRET_KEY": "for tests", "PROXYHOOKS_SECRETS": ["for tests"]})
    command = ["config", "--merge", str(ROOT / "examples" / "rooms" / "centrifugo.json")]
    command += ["--base-url", "http://backend:8070", "--internal-port", "9000"]
    written = app.test_cli_runner().invoke(centrifugo_commands, command)
    assert written.exit_code == 0, written.stderr
    for folder in ("docker", "kubernetes"):
        assert (ROOT / "deploy" / folder / "centrifugo.json").read_text() == written.stdout


# the image


def test_the_last_stage_installs_wheels_alone_and_has_no_compiler() -> None:
    assert "-slim" in IMAGE.base
    assert "-slim" not in BUILD.base
    (install,) = IMAGE.arguments("RUN")
    assert re.fullmatch(r"pip install --no-cache-dir --no-index /wheels/\*\.whl", install)
    (copied,) = IMAGE.arguments("COPY")
    assert copied.startswith("docker/entrypoint.sh ")


def test_the_image_has_no_name_of_a_user() -> None:
    assert all(part.isdigit() and int(part) for part in IMAGE.last("USER").split(":"))


def test_secrets_do_not_get_into_the_build() -> None:
    assert "docker/secrets" in (FOLDER / "Dockerfile.dockerignore").read_text().splitlines()
    for secret in COMPOSE["secrets"].values():
        assert secret["file"].startswith("./secrets/")


# compose


def test_each_service_runs_without_rights_and_cannot_write_to_its_root() -> None:
    for name, service in SERVICES.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "/tmp" in service["tmpfs"], name
        assert service["restart"] in ("unless-stopped", "on-failure"), name
        assert "privileged" not in service, name
        assert "cap_add" not in service, name


def test_only_the_ports_of_clients_and_of_the_page_are_published_and_on_this_machine_alone() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"backend": ["127.0.0.1:8070:8070"], "centrifugo": ["127.0.0.1:8000:8000"]}


def test_services_wait_for_those_that_they_need() -> None:
    waits = {
        (name, needed): how["condition"]
        for name, service in SERVICES.items()
        for needed, how in service.get("depends_on", {}).items()
    }
    assert waits == {
        ("backend", "tables"): "service_completed_successfully",
        ("backend", "redis"): "service_healthy",
        ("tables", "postgres"): "service_healthy",
        ("centrifugo", "backend"): "service_healthy",
        ("centrifugo", "redis"): "service_healthy",
    }
    for needed in ("redis", "postgres", "centrifugo"):
        assert SERVICES[needed]["healthcheck"]["test"][0] == "CMD"
    assert "healthcheck" not in SERVICES["backend"]
    assert IMAGE.arguments("HEALTHCHECK")


def test_services_reach_those_that_they_need_and_no_others() -> None:
    together = {
        frozenset((one, other))
        for one, other in ((one, other) for one in SERVICES for other in SERVICES if one < other)
        if {*SERVICES[one]["networks"]} & {*SERVICES[other]["networks"]}
    }
    pairs = ("backend centrifugo", "backend postgres", "backend redis", "backend tables", "centrifugo redis")
    assert together == {*(frozenset(pair.split()) for pair in pairs), frozenset(("postgres", "tables"))}
    # Databases have no way out, and so no way in.
    assert [name for name, network in COMPOSE["networks"].items() if not network.get("internal")] == ["clients"]


def test_docker_waits_longer_than_a_graceful_stop_takes() -> None:
    assert seconds(SERVICES["backend"]["stop_grace_period"]) > settings.graceful_timeout
    shutdown = json.loads((FOLDER / "centrifugo.json").read_text()).get("shutdown", {}).get("timeout", "30s")
    assert seconds(SERVICES["centrifugo"]["stop_grace_period"]) > seconds(shutdown)


def seconds(duration: str) -> int:
    return int(duration.removesuffix("s"))


def test_no_value_of_a_secret_is_in_the_environment() -> None:
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            assert "PASSWORD" not in variable or variable.endswith("_FILE"), (name, variable)
            assert not re.search(r"SECRET|KEY", variable.removesuffix("_SECRETS_FILE")), (name, variable)
            assert not re.search(r"://[^/@]*:[^/@]*@", value), (name, variable)


# run


@pytest.fixture(scope="module")
def image(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the image's programs, made by the steps of the Dockerfile in a project of rooms.

    The steps build and install the packages that the files name. What these need comes from the tests' own packages.
    """
    home = tmp_path_factory.mktemp("image")
    project, wheels, environment = home / "project", home / "wheels", home / "environment"
    CliRunner().invoke(new.command, [str(project), "--template", "rooms"], catch_exceptions=False)
    shutil.copytree(FOLDER, project / "docker")
    shutil.copytree(wheel.parent, project / "docker" / "wheels", ignore=lambda _, names: {*names} - {wheel.name})
    venv.create(environment)
    python = environment / "bin" / "python"
    tools = server_environment(PYTHONPATH=str(wheel.parent / "tools"))
    for stage, pip in ((BUILD, [*PIP]), (IMAGE, [*PIP, "--python", str(python)])):
        for step in stage.arguments("RUN"):
            arguments = re.sub(r"(?<=\s)/wheels", str(wheels), step).removeprefix("pip ")
            assert arguments != step, f"no step of pip: {step}"
            run("sh", "-ec", f"{shlex.join(pip)} {arguments} --no-deps --no-build-isolation", cwd=project, **tools)
    assert {path.name.partition("-")[0] for path in wheels.iterdir()} == {"proxyhooks", "psycopg", "redis", "rooms"}
    add_packages_of_the_tests(environment)
    return environment / "bin"


@dataclass(frozen=True)
class Machine:
    """What stands for docker: processes in place of containers, with folders and ports of the test."""

    home: Path
    programs: Path
    ports: dict[str, int]
    """By the address in compose.yaml."""

    def translate(self, text: str) -> str:
        """Replace addresses, and what no process of the test can have: the folders of a container, and Postgres."""
        for address, port in self.ports.items():
            text = text.replace(address, f"127.0.0.1:{port}")
        text = text.replace("/centrifugo/config.json", str(self.home / "config.json"))
        return text.replace("postgresql+psycopg://rooms@postgres/rooms", f"sqlite:///{self.home}/rooms.sqlite")

    def command(self, name: str, words: list[str]) -> list[str]:
        """A command behind the entrypoint, as the user of the image, whom this machine does not know."""
        mounted, entrypoint = self.home / f"secrets-{name}", self.home / f"{name}.sh"
        mounted.mkdir(exist_ok=True)
        for secret in SERVICES[name]["secrets"]:
            file = self.home / Path(COMPOSE["secrets"][secret["source"]]["file"]).name
            shutil.copy(file, mounted / secret["target"])
        script = (FOLDER / "entrypoint.sh").read_text()
        assert script.count("in /run/secrets/*;") == 1
        entrypoint.write_text(script.replace("in /run/secrets/*;", f"in {mounted}/*;"))
        return [*another_user(), "/bin/sh", str(entrypoint), *map(self.translate, words)]

    def environment(self, name: str) -> dict[str, str]:
        """What compose.yaml and the Dockerfile say, and nothing that this machine has."""
        said = {key: self.translate(value) for key, value in SERVICES[name]["environment"].items()}
        said = {key: value.replace("/run/secrets", f"{self.home}/secrets-{name}") for key, value in said.items()}
        return IMAGE.environment | said | {"PATH": f"{self.programs}:{os.environ['PATH']}", "TMPDIR": str(self.home)}

    def run(self, name: str, words: list[str]) -> str:
        """Run a command in the container of a service."""
        return run(*self.command(name, words), cwd=self.home, **self.environment(name))

    def serve(
        self, name: str, words: list[str], is_ready: Callable[[], bool], **more: str
    ) -> AbstractContextManager[subprocess.Popen[bytes]]:
        env, log = self.environment(name) | more, self.home / f"{name}.log"
        return running_server(self.command(name, words), log, is_ready=is_ready, cwd=self.home, env=env)


@functools.cache
def another_user() -> tuple[str, ...]:
    """The start of a command that runs as the user of the image, where the system lets it."""
    user, _, group = IMAGE.last("USER").partition(":")
    command = ("unshare", "--user", f"--map-user={user}", f"--map-group={group}")
    try:
        subprocess.run([*command, "true"], check=True, capture_output=True, timeout=20)
    except (OSError, subprocess.CalledProcessError):
        return ()
    return command


@pytest.fixture(scope="module")
def machine(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    home = tmp_path_factory.mktemp("machine")
    for secret in COMPOSE["secrets"].values():
        # The second line is an older one, which the backend still accepts. All others take the first line.
        (home / Path(secret["file"]).name).write_text(f"{secrets.token_urlsafe()}\nan older one\n")
    addresses = ("0.0.0.0:8070", "centrifugo:9000", "redis:6379", "0.0.0.0:9070", "clients")
    ports = {address: free_port() for address in addresses}
    return Machine(home, image, ports | {"backend:8070": ports["0.0.0.0:8070"]})


@pytest.fixture(scope="module")
def redis(machine: Machine) -> Iterator[None]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not on PATH; on Debian it is in the package redis-server")
    port = machine.ports["redis:6379"]
    command = [*SERVICES["redis"]["command"], "--port", str(port), "--bind", "127.0.0.1"]
    with running_server(command, machine.home / "redis.log", is_ready=lambda: accepts_connections(port)):
        yield


@pytest.fixture(scope="module")
def backend(machine: Machine, redis: None) -> Iterator[subprocess.Popen[bytes]]:
    """The backend, whose database has the demo's users and rooms."""
    machine.run("tables", [*SERVICES["tables"]["command"], "--demo"])
    port = machine.ports["backend:8070"]
    quick = {"FLASK_REFRESH_AFTER": "2", "WEB_CONCURRENCY": "1"}
    with machine.serve("backend", IMAGE.words("CMD"), lambda: answers(port), **quick) as process:
        yield process


@pytest.fixture(scope="module")
def centrifugo(machine: Machine, backend: subprocess.Popen[bytes]) -> Iterator[Path]:
    """The log of Centrifugo."""
    (machine.home / "config.json").write_text(machine.translate((FOLDER / "centrifugo.json").read_text()))
    internal = machine.ports["centrifugo:9000"]
    listen = {
        "CENTRIFUGO_HTTP_SERVER_ADDRESS": "127.0.0.1",
        "CENTRIFUGO_HTTP_SERVER_PORT": str(machine.ports["clients"]),
        "CENTRIFUGO_HTTP_SERVER_INTERNAL_PORT": str(internal),
        "PATH": f"{Path(centrifugo_binary()).parent}:{os.environ['PATH']}",
    }
    health = urlsplit(SERVICES["centrifugo"]["healthcheck"]["test"][-1])
    assert health.port == int(json.loads((FOLDER / "centrifugo.json").read_text())["http_server"]["internal_port"])
    with machine.serve(
        "centrifugo", SERVICES["centrifugo"]["command"], lambda: answers(internal, health.path), **listen
    ):
        assert http_client.request(internal, "GET", health.path).status == 200
        yield machine.home / "centrifugo.log"


@pytest.mark.slow
def test_the_image_is_healthy_while_it_serves(machine: Machine, backend: subprocess.Popen[bytes]) -> None:
    check = [word.replace("8070", str(machine.ports["backend:8070"])) for word in IMAGE.words("HEALTHCHECK")]
    machine.run("backend", check)
    refused = [word.replace("/readyz", "/centrifugo/connect") for word in check]
    assert refused != check
    with pytest.raises(AssertionError):
        machine.run("backend", refused)


@pytest.mark.slow
@pytest.mark.centrifugo
def test_clients_talk_to_the_services_of_compose(machine: Machine, centrifugo: Path) -> None:
    for path in ("/health", "/metrics", "/api/info", "/centrifugo/connect"):
        assert http_client.request(machine.ports["clients"], "GET", path).status == 404
    with log_in(machine, "ada") as ada, log_in(machine, "eve") as eve:
        assert "subscribe" in ada.ask("subscribe", channel="rooms:1")
        joined = eve.ask("rpc", method="rooms.join", data={"room_id": 1})
        assert joined == {"rpc": {"data": {"channel": "rooms:1"}}}
        # The backend has published that over the server API.
        assert next_publication(ada) == {"type": "joined", "name": "eve"}
        metrics = http_client.request(machine.ports["0.0.0.0:9070"], "GET", "/metrics").text
        assert re.search(r'^proxyhooks_calls_total\{.*event="subscribe".*\} [1-9]', metrics, re.MULTILINE)
    assert '"engine_type":"redis"' in centrifugo.read_text()


@pytest.mark.slow
@pytest.mark.centrifugo
def test_clients_stay_while_no_backend_answers(
    machine: Machine, centrifugo: Path, backend: subprocess.Popen[bytes]
) -> None:
    with log_in(machine, "ada") as ada, contextlib.closing(new_client(machine)) as late:
        assert "subscribe" in ada.ask("subscribe", channel="rooms:1")
        stop_process(backend)
        wait_until(lambda: "error proxying refresh" in centrifugo.read_text(), "a refresh that fails")
        temporary = {"error": {"code": 100, "message": "internal server error", "temporary": True}}
        assert ada.ask("rpc", method="rooms.list") == temporary
        assert ada.ask("publish", channel="rooms:1", data={"text": "hi"}) == temporary
        assert ada.ask("subscribe", channel="rooms:3") == temporary
        assert late.ask("connect", data={"token": "any"}) == temporary
        publish(machine, "rooms:1", {"text": "of the server API"})
        assert next_publication(ada) == {"text": "of the server API"}


def new_client(machine: Machine) -> Client:
    return Client(f"127.0.0.1:{machine.ports['clients']}")


@contextlib.contextmanager
def log_in(machine: Machine, name: str) -> Iterator[Client]:
    """A client of Centrifugo with a token that the backend gave out."""
    credentials, port = json.dumps({"name": name, "password": name}).encode(), machine.ports["backend:8070"]
    answer = http_client.request(port, "POST", "/token", credentials, {"Content-Type": "application/json"})
    with contextlib.closing(new_client(machine)) as client:
        reply = client.ask("connect", data=json.loads(answer.body))
        assert reply["connect"]["data"]["name"] == name, reply
        yield client


def next_publication(client: Client) -> object:
    while "pub" not in (push := client.next_push()):
        pass
    return push["pub"]["data"]


def publish(machine: Machine, channel: str, data: object) -> None:
    """Publish over the server API, with the first line of its key."""
    key = (machine.home / "api_key").read_text().split("\n")[0]
    body = json.dumps({"channel": channel, "data": data}).encode()
    internal = machine.ports["centrifugo:9000"]
    assert http_client.request(internal, "POST", "/api/publish", body, {"X-API-Key": key}).status == 200


# the entrypoint


def entrypoint(folder: Path, *command: str) -> str:
    script = (FOLDER / "entrypoint.sh").read_text().replace("in /run/secrets/*;", f"in {folder}/*;")
    path = folder.parent / "entrypoint.sh"
    path.write_text(script)
    return run("sh", path, *command, cwd=folder, PATH=os.environ["PATH"])


def test_secrets_in_capitals_become_variables_with_their_first_line(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "FLASK_SECRET_KEY").write_text("a 'b' \"c\" $d \\e\nan older one\n")
    (folder / "PGPASSWORD").write_text("without an end of the line")
    (folder / "proxyhooks").write_text("a file\n")
    printed = json.loads(
        entrypoint(folder, sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))")
    )
    assert printed["FLASK_SECRET_KEY"] == "a 'b' \"c\" $d \\e"
    assert printed["PGPASSWORD"] == "without an end of the line"
    assert "proxyhooks" not in printed


def test_a_container_without_secrets_starts(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    assert entrypoint(folder, "echo", "started") == "started\n"


def test_an_empty_secret_keeps_the_container_from_starting(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "FLASK_SECRET_KEY").write_text("")
    with pytest.raises(AssertionError):
        entrypoint(folder, "echo", "started")
