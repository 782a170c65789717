#!/usr/bin/env python3
"""Builds Centrifugo with Go into a cache directory, unless it is on PATH or was built before."""

from __future__ import annotations

import collections
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

VERSION = "6.9.1"
MODULE = "github.com/centrifugal/centrifugo/v6"
IMAGE = f"centrifugo/centrifugo:v{VERSION}"
WHERE_TO_GET_ONE = "https://centrifugal.dev/docs/getting-started/installation"


@dataclass(frozen=True)
class Centrifugo:
    """A Centrifugo that can be started."""

    program: str
    """The path of ``centrifugo``, or of ``docker``, which runs its image."""
    container: str = ""
    """The name that docker gives the container."""

    def command(self, config: Path, variables: Iterable[str]) -> list[str]:
        """The command that starts it.

        :param variables: the names of the environment variables that it reads.
        """
        if not self.container:
            return [self.program, "-c", str(config)]
        inside = "/centrifugo/config.json"
        options = ["--rm", "--network", "host", "--name", self.container, "-v", f"{config}:{inside}:ro,z"]
        # Without values, which other users of the machine could see in the list of processes.
        options += [word for name in variables for word in ("-e", name)]
        return [self.program, "run", *options, IMAGE, "centrifugo", "-c", inside]

    def remove(self) -> None:
        """Remove a container that is still there after docker's own process has ended."""
        if self.container:
            _output([self.program, "rm", "--force", self.container])


def built() -> Path:
    """Where Go puts the program: a directory of this version outside of the repository."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(cache) if os.path.isabs(cache) else Path.home() / ".cache"
    return base / "proxyhooks" / f"centrifugo-{VERSION}" / "centrifugo"


def installed() -> str | None:
    """The path of the program on PATH, or else of the one that Go has built."""
    return shutil.which("centrifugo") or shutil.which(str(built()))


def may_be_had() -> bool:
    """Whether it makes sense to call :func:`get`."""
    return bool(installed() or shutil.which("docker") or shutil.which("go"))


def get() -> Centrifugo | None:
    """A Centrifugo from PATH, docker or Go, in this order; None, after the reasons are printed, if there is none."""
    program = installed()
    if program is None:
        docker = _docker_with_image()
        if docker is not None:
            return Centrifugo(docker, container=f"proxyhooks-{os.getpid()}")
        program = build()
    return Centrifugo(program) if program else None


def build() -> str | None:
    """Build the program with Go, and return its path; None, after the reason is printed, if that fails."""
    go = shutil.which("go")
    if go is None:
        _say("there is no centrifugo on PATH, and no go to build it")
        return None
    target = built()
    _say(f"building Centrifugo {VERSION} with Go into {target.parent}: about 3 minutes, once")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # The program appears there when it is complete, also if another process builds it at the same time.
        with tempfile.TemporaryDirectory(dir=target.parent) as directory:
            flags = f"-s -w -X {MODULE}/internal/build.Version={VERSION}"
            command = [go, "install", "-v", "-ldflags", flags, f"{MODULE}@v{VERSION}"]
            _run_with_progress(command, os.environ | {"GOBIN": directory})
            os.replace(Path(directory) / "centrifugo", target)
    except (OSError, subprocess.CalledProcessError) as error:
        _say(f"Centrifugo could not be built: {error}")
        return None
    return str(target)


def _run_with_progress(command: list[str], environment: dict[str, str]) -> None:
    """Run Go, which prints a line for each package, and show how many lines there were.

    :raises subprocess.CalledProcessError: if it fails, after the last lines are printed.
    """
    start = shown_at = time.monotonic()
    last: collections.deque[str] = collections.deque(maxlen=20)
    on_terminal = sys.stdout.isatty()
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace"
    ) as go:
        assert go.stderr is not None
        try:
            for count, line in enumerate(go.stderr, 1):
                last.append(line)
                now = time.monotonic()
                if now - shown_at >= (1 if on_terminal else 15):
                    shown_at = now
                    shown = f"  {now - start:.0f} s: {count} packages downloaded or compiled"
                    print(f"\r{shown}" if on_terminal else shown, end="" if on_terminal else "\n", flush=True)
            go.wait()
        except BaseException:
            go.send_signal(signal.SIGINT)  # on which Go stops its compilers
            raise
        finally:
            if on_terminal:
                print(flush=True)
    if go.returncode:
        print("".join(last), end="", file=sys.stderr, flush=True)
        raise subprocess.CalledProcessError(go.returncode, "go install")


def _docker_with_image() -> str | None:
    """The path of docker, if it has the image and can run it with the network of this machine."""
    docker = shutil.which("docker")
    if docker is None:
        return None
    kind = _output([docker, "info", "--format", "{{.OperatingSystem}} {{.SecurityOptions}}"])
    if kind is None:
        _say("docker cannot be used: `docker info` fails")
        return None
    # There, a container cannot have the network of this machine, where the backend is.
    if "Docker Desktop" in kind or "name=rootless" in kind:
        _say("docker cannot be used: Docker Desktop and docker without root have no host network")
        return None
    if _output([docker, "image", "inspect", IMAGE]) is None:
        _say(f"pulling docker's image {IMAGE}: about 1 minute, once")
        if subprocess.run([docker, "pull", IMAGE], stdin=subprocess.DEVNULL).returncode:
            _say("docker could not pull the image")
            return None
    return docker


def _output(command: list[str]) -> str | None:
    """What a command prints, or None if it fails or takes longer than 20 seconds."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else done.stdout


def _say(text: str) -> None:
    print(text, flush=True)


def main() -> int:
    try:
        return 0 if installed() or build() else 1
    except KeyboardInterrupt:
        # Without a traceback, and so that a shell script that runs this ends, too.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.raise_signal(signal.SIGINT)
        return 130


if __name__ == "__main__":
    sys.exit(main())
