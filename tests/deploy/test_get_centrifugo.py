"""Where Centrifugo comes from: PATH, the cache, docker's image or Go. The programs are fakes."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.paths import ROOT
from tests.support.servers import kill_process, start_process
from tests.support.waiting import wait_until

get_centrifugo = importlib.import_module("deploy.get_centrifugo")  # by name: mypy knows the file as one of scripts

VERSION = json.loads((ROOT / "proxyhooks" / "centrifugo" / "config" / "keys.json").read_text())["version"]
CENTRIFUGO = "exit 0"
DOCKER = 'case "$1 $2" in "info --format") echo "Debian GNU/Linux 13 [name=seccomp]";; esac'
DOCKER_WITHOUT_IMAGE = f'{DOCKER}; [ "$1" != image ]'
GO = 'echo net >&2; echo "#!/bin/sh" > "$GOBIN/centrifugo"; /bin/chmod +x "$GOBIN/centrifugo"'
FAILING_GO = 'echo "no such module" >&2; exit 1'


class Machine:
    """A PATH and a cache that are empty at first. Fakes write their arguments to a log."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "path"
        self.path.mkdir()
        self.cache = directory / "cache"
        self.log = directory / "log"
        self.log.touch()

    @property
    def built(self) -> Path:
        return self.cache / "proxyhooks" / f"centrifugo-{VERSION}" / "centrifugo"

    def add(self, name: str, script: str) -> str:
        return write_program(self.path / name, f'echo "{name} $*" >> {self.log}\n{script}')

    def calls(self) -> list[str]:
        return self.log.read_text().splitlines()

    def environment(self) -> dict[str, str]:
        return {"PATH": str(self.path), "XDG_CACHE_HOME": str(self.cache)}


def write_program(file: Path, script: str) -> str:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return str(file)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine(tmp_path)
    for name, value in machine.environment().items():
        monkeypatch.setenv(name, value)
    return machine


# which one


def test_the_version_is_the_one_that_the_package_knows() -> None:
    assert get_centrifugo.VERSION == VERSION


@pytest.mark.parametrize("file", ["docker/compose.yaml", "kubernetes/centrifugo.yaml"])
def test_the_image_is_the_one_of_the_files_to_copy(file: str) -> None:
    assert f"image: {get_centrifugo.IMAGE}\n" in (ROOT / "deploy" / file).read_text()


def test_the_program_on_path_is_preferred(machine: Machine) -> None:
    program = machine.add("centrifugo", CENTRIFUGO)
    write_program(machine.built, "")
    for name in ("docker", "go"):
        machine.add(name, "exit 1")
    assert get_centrifugo.get() == get_centrifugo.Centrifugo(program)
    assert machine.calls() == []


def test_one_that_was_built_is_preferred_to_docker_and_go(machine: Machine) -> None:
    write_program(machine.built, "")
    for name in ("docker", "go"):
        machine.add(name, "exit 1")
    assert get_centrifugo.get() == get_centrifugo.Centrifugo(str(machine.built))
    assert machine.calls() == []


def test_dockers_image_is_preferred_to_go(machine: Machine, capfd: pytest.CaptureFixture[str]) -> None:
    docker = machine.add("docker", DOCKER)
    machine.add("go", GO)
    found = get_centrifugo.get()
    assert (found.program, found.container.startswith("proxyhooks-")) == (docker, True)
    assert not [call for call in machine.calls() if call.startswith(("go", "docker pull"))]
    assert capfd.readouterr().out == ""


def test_docker_pulls_an_image_that_it_lacks(machine: Machine, capfd: pytest.CaptureFixture[str]) -> None:
    machine.add("docker", f'{DOCKER_WITHOUT_IMAGE}; status=$?; [ "$1" = pull ] && echo layers; exit $status')
    found = get_centrifugo.get()
    assert found is not None
    assert found.container
    assert machine.calls()[-1] == f"docker pull {get_centrifugo.IMAGE}"
    first, progress = capfd.readouterr().out.splitlines()
    assert re.search(r"pulling .*: about 1 minute, once", first)
    assert progress == "layers"


@pytest.mark.parametrize(
    ("docker", "why"),
    [
        ("echo no daemon >&2; exit 1", "`docker info` fails"),
        ('[ "$1" = info ] && echo "Docker Desktop [name=seccomp]"', "have no host network"),
        ('[ "$1" = info ] && echo "Debian GNU/Linux 13 [name=seccomp name=rootless]"', "have no host network"),
        (f'{DOCKER_WITHOUT_IMAGE} && [ "$1" != pull ]', "docker could not pull the image"),
    ],
)
def test_go_builds_it_where_docker_cannot_run_it(
    machine: Machine, capfd: pytest.CaptureFixture[str], docker: str, why: str
) -> None:
    machine.add("docker", docker)
    machine.add("go", GO)
    assert get_centrifugo.get() == get_centrifugo.Centrifugo(str(machine.built))
    assert why in capfd.readouterr().out


@pytest.mark.parametrize(
    ("fakes", "why"),
    [
        ({}, "there is no centrifugo on PATH, and no go to build it"),
        ({"go": FAILING_GO}, "Centrifugo could not be built"),
        ({"docker": "exit 1", "go": FAILING_GO}, "Centrifugo could not be built"),
        ({"docker": "exit 1"}, "no go to build it"),
    ],
)
def test_there_is_none_without_all_three(
    machine: Machine, capfd: pytest.CaptureFixture[str], fakes: dict[str, str], why: str
) -> None:
    for name, script in fakes.items():
        machine.add(name, script)
    assert get_centrifugo.get() is None
    assert why in capfd.readouterr().out
    assert get_centrifugo.may_be_had() is bool(fakes)


# the command


def test_a_program_is_started_with_the_configuration() -> None:
    assert get_centrifugo.Centrifugo("/bin/c").command(Path("/x/c.json"), ["A"]) == ["/bin/c", "-c", "/x/c.json"]


def test_docker_gets_no_secret_in_its_arguments() -> None:
    command = get_centrifugo.Centrifugo("docker", "name").command(Path("/x/c.json"), {"A": "s3cret", "B": "s3cret"})
    assert command == [
        *("docker", "run", "--rm", "--network", "host", "--name", "name"),
        *("-v", "/x/c.json:/centrifugo/config.json:ro,z", "-e", "A", "-e", "B"),
        *(get_centrifugo.IMAGE, "centrifugo", "-c", "/centrifugo/config.json"),
    ]


@pytest.mark.parametrize(("container", "calls"), [("", []), ("name", ["docker rm --force name"])])
def test_only_a_container_is_removed(machine: Machine, container: str, calls: list[str]) -> None:
    get_centrifugo.Centrifugo(machine.add("docker", "exit 1"), container).remove()
    assert machine.calls() == calls


# the build


def test_go_builds_this_version_once(machine: Machine, capfd: pytest.CaptureFixture[str]) -> None:
    machine.add("go", GO)
    assert [get_centrifugo.main(), get_centrifugo.main()] == [0, 0]
    module = "github.com/centrifugal/centrifugo/v6"
    flags = f"-s -w -X {module}/internal/build.Version={VERSION}"
    assert machine.calls() == [f"go install -v -ldflags {flags} {module}@v{VERSION}"]
    assert os.access(machine.built, os.X_OK)
    assert os.listdir(machine.built.parent) == ["centrifugo"]
    said = f"building Centrifugo {VERSION} with Go into {machine.built.parent}: about 3 minutes, once\n"
    assert capfd.readouterr().out == said


def test_a_build_that_fails_shows_gos_reason_and_leaves_nothing(
    machine: Machine, capfd: pytest.CaptureFixture[str]
) -> None:
    machine.add("go", FAILING_GO)
    assert get_centrifugo.main() == 1
    printed = capfd.readouterr()
    assert printed.err == "no such module\n"
    assert "Centrifugo could not be built" in printed.out
    assert os.listdir(machine.built.parent) == []


def test_a_cache_that_cannot_be_written_is_named(machine: Machine, capfd: pytest.CaptureFixture[str]) -> None:
    machine.add("go", GO)
    machine.cache.write_text("a file")
    assert get_centrifugo.main() == 1
    assert str(machine.cache) in capfd.readouterr().out.splitlines()[-1]


def test_a_build_shows_its_progress(
    machine: Machine, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.add("go", f"{GO}; echo http >&2")
    seconds = iter([0, 14, 15])
    monkeypatch.setattr(get_centrifugo, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    assert get_centrifugo.build() is not None
    assert capfd.readouterr().out.splitlines()[1:] == ["  15 s: 2 packages downloaded or compiled"]


def test_an_interrupted_build_stops_go(machine: Machine, tmp_path: Path) -> None:
    sleep = shutil.which("sleep", path=os.defpath)
    machine.add("go", f'trap "echo interrupted >> {machine.log}; exit 1" INT; echo net >&2; {sleep} 60 & wait')
    code = "import signal, deploy.get_centrifugo as g; signal.signal(signal.SIGINT, signal.default_int_handler); "
    command = [sys.executable, "-c", f"{code}raise SystemExit(g.main())"]
    process = start_process(command, tmp_path / "output", cwd=ROOT, env=machine.environment())
    try:
        wait_until(machine.calls, "go")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == -signal.SIGINT
    finally:
        kill_process(process)
    wait_until(lambda: "interrupted" in machine.calls(), "the end of go")
    assert "Traceback" not in (tmp_path / "output").read_text()


@pytest.mark.parametrize("cache", ["", "relative"])
def test_the_cache_is_in_the_home_directory_by_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", cache)
    assert get_centrifugo.built().parents[2] == tmp_path / ".cache"


# the tests


@pytest.fixture
def checkout(machine: Machine, tmp_path: Path) -> Path:
    """A copy of tests/run whose programs are installed, and print how they are called."""
    checkout = tmp_path / "checkout"
    for file in ("tests/run", "deploy/get_centrifugo.py", "pyproject.toml", "tests/lowest.txt"):
        (checkout / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, checkout / file)
    for name in ("ruff", "mypy", "pyright"):
        write_program(checkout / ".venv" / "bin" / name, "")
    python = f'case "$1" in -m) echo "python $*" ;; *) exec {sys.executable} "$@" ;; esac'
    write_program(checkout / ".venv" / "bin" / "python", python)
    for name in ("typescript", "axe-core"):
        (checkout / ".venv" / "node_modules" / name).mkdir(parents=True)
    (checkout / ".venv" / "installed").touch()
    for name in ("bash", "dirname"):
        (machine.path / name).symlink_to(str(shutil.which(name, path=os.defpath)))
    return checkout


@pytest.mark.parametrize(
    ("options", "last"),
    [
        ([], "python -m pytest -n 2 --dist worksteal"),
        (["tests/docs", "-x"], "python -m pytest -n 2 --dist worksteal tests/docs -x"),
        (["reliability", "reloads"], "python -m tests.reliability reloads"),
    ],
)
def test_the_test_run_builds_centrifugo_where_there_is_none(
    machine: Machine, checkout: Path, options: list[str], last: str
) -> None:
    machine.add("go", GO)
    printed = run_tests(machine, checkout, options)
    assert printed[0].startswith(f"building Centrifugo {VERSION} with Go")
    assert printed[-1] == last
    assert machine.built.exists()


def test_the_test_run_builds_nothing_that_is_not_needed(machine: Machine, checkout: Path) -> None:
    machine.add("go", GO)
    run_tests(machine, checkout, ["unit"])
    run_tests(machine, checkout, [], CENTRIFUGO="/some/centrifugo")
    machine.add("centrifugo", CENTRIFUGO)
    run_tests(machine, checkout, [])
    assert machine.calls() == []


@pytest.mark.parametrize("fakes", [{}, {"go": FAILING_GO}])
def test_the_test_run_goes_on_without_centrifugo(machine: Machine, checkout: Path, fakes: dict[str, str]) -> None:
    for name, script in fakes.items():
        machine.add(name, script)
    printed = run_tests(machine, checkout, [])
    assert "tests/run: the tests that need Centrifugo are skipped" in printed
    assert printed[-1].startswith("python -m pytest ")


def test_the_test_run_can_only_install(machine: Machine, checkout: Path) -> None:
    machine.add("go", GO)
    printed = run_tests(machine, checkout, ["install"])
    assert machine.built.exists()
    assert not any(line.startswith(("python", "== ruff")) for line in printed)


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_the_test_run_ends_where_a_type_checker_finds_something(machine: Machine, checkout: Path, checker: str) -> None:
    write_program(checkout / ".venv" / "bin" / checker, "echo found; exit 1")
    with pytest.raises(subprocess.CalledProcessError) as error:
        run_tests(machine, checkout, [])
    assert error.value.stdout.splitlines()[-1] == "found"


def run_tests(machine: Machine, checkout: Path, options: list[str], **variables: str) -> list[str]:
    """The lines that tests/run prints."""
    run = subprocess.run(
        [checkout / "tests" / "run", *options],
        env=machine.environment() | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=True,
    )
    return run.stdout.splitlines()


def test_tests_that_need_centrifugo_are_skipped_with_the_reason(machine: Machine) -> None:
    test = "tests/centrifugo/config/checks/test_program.py::test_centrifugo_is_quoted_where_nothing_else_says_it"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test]
    run = subprocess.run(
        command, cwd=ROOT, env=machine.environment(), capture_output=True, text=True, timeout=300, check=True
    )
    assert re.search(r"^\d+ skipped in ", run.stdout, re.MULTILINE), run.stdout
    assert re.search(r"SKIPPED .*: centrifugo is not on PATH, .* needs Go, has not built it", run.stdout)
