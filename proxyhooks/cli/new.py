"""``flask centrifugo new``: writes a new project from one of the templates."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import shutil
import tomllib
import urllib.parse
import urllib.request
from importlib import metadata
from pathlib import Path
from typing import Final

import click

_PACKAGE: Final = Path(__file__).parents[1]
_PLACES: Final = (_PACKAGE / "_templates", _PACKAGE.parent / "examples")
"""The folder of the templates in an installed package, and in a clone."""
_LEFT_OUT: Final = (
    "*.egg-info", "*.pyc", "*.sqlite*", ".*_cache", ".venv*", "__pycache__", "build", "dist", "instance",
    "node_modules", "static/*.js", "static/*.js.map",
)  # fmt: skip
"""What running, testing and building a template leaves behind; pyproject.toml leaves the same out of the wheel."""

_NEXT: Final = """\
  cd {directory}
  python3 -m venv .venv && . .venv/bin/activate
  pip install --upgrade "pip>=25.1"
  pip install {package}--editable . --group test
  python -m pytest
"""
"""The next commands, which are the same for all templates."""


@click.command("new")
@click.argument("directory", type=click.Path(path_type=Path), required=False)
@click.option("--template", default="minimal", show_default=True, metavar="NAME", help="What to start with.")
@click.option("--list", "list_only", is_flag=True, help="List the templates, and write nothing.")
def command(directory: Path | None, template: str, list_only: bool) -> None:
    """Write a new project from a template.

    DIRECTORY is a folder that does not exist, or an empty one. If the command fails, it stays as it is.
    """
    known = templates()
    if list_only:
        width = max(map(len, known))
        for name, source in known.items():
            click.echo(f"{name:{width}}  {_description(source)}")
        return
    if directory is None:
        raise click.UsageError("no directory is named: flask centrifugo new DIRECTORY")
    if template not in known:
        raise click.UsageError(f"there is no template {template!r}: choose one of {', '.join(known)}")
    target = Path(os.path.realpath(directory))
    try:
        _require_empty(directory, target)
        copy(known[template], target)
    except OSError as error:
        raise click.ClickException(f"{directory} cannot be written: {error.strerror}") from None
    click.echo(f"{directory} has the template {template}. Install what it needs and run its tests:\n")
    origin = package_origin()
    package = f"{shlex.quote(origin)} " if origin else ""
    click.echo(_NEXT.format(directory=_shell_word(directory), package=package))
    click.echo("Its README.md says how to run it, and what to change first.")


def templates() -> dict[str, Path]:
    """The templates by name: the folders that have a pyproject.toml.

    :raises click.ClickException: if the package was installed without them.
    """
    for place in _PLACES:
        if found := {path.parent.name: path.parent for path in sorted(place.glob("*/pyproject.toml"))}:
            return found
    raise click.ClickException(f"{_PLACES[0]} has no templates: install proxyhooks again from its wheel")


def package_origin() -> str | None:
    """The path or URL that this package was installed from; None if that was an index, where pip finds it again."""
    try:
        written = metadata.distribution("proxyhooks").read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return None
    if written is None:
        return None
    direct_url = json.loads(written)
    url = str(direct_url["url"])
    if url.startswith("file:"):
        return urllib.request.url2pathname(urllib.parse.urlsplit(url).path)
    if vcs := direct_url.get("vcs_info"):
        return f"{vcs['vcs']}+{url}@{vcs['commit_id']}"
    return url


def _description(template: Path) -> str:
    project = tomllib.loads((template / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["description"])


def _require_empty(directory: Path, target: Path) -> None:
    """Raise ClickException unless the directory can be created, or is there and empty.

    :param target: its path without symbolic links.
    """
    remedy = "name a directory that does not exist, or an empty one"
    if target.is_dir():
        if any(target.iterdir()):
            raise click.ClickException(f"{directory} is not empty: {remedy}")
    elif target.exists():
        raise click.ClickException(f"{directory} is a file: {remedy}")
    elif not target.parent.is_dir():
        parent = directory.parent
        for path in (parent, *parent.parents):
            if path.exists() and not path.is_dir():
                raise click.ClickException(f"{path} is no directory: name a directory elsewhere")
        raise click.ClickException(f"{parent} is no directory: create it (mkdir -p {_shell_word(parent)})")


def _shell_word(path: Path) -> str:
    """The path as an argument of a command in a shell, where a name such as ``-x`` would be an option."""
    return shlex.quote(f"./{path}" if str(path).startswith("-") else str(path))


def copy(template: Path, target: Path) -> None:
    """Copy the files of a template to a directory, all or none."""
    exists = target.is_dir()
    # A shell may stand in a directory that exists, so it is filled and not replaced.
    staging = (target if exists else target.parent) / f".proxyhooks-{secrets.token_hex(4)}"
    moved: list[Path] = []
    try:
        _copy_directory(template, staging)
        if exists:
            for path in sorted(staging.iterdir()):
                path.rename(target / path.name)
                moved.append(target / path.name)
            staging.rmdir()
        else:
            staging.rename(target)
    except BaseException:
        for path in (staging, *moved):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        raise


def _copy_directory(source: Path, target: Path) -> None:
    target.mkdir()
    for path in sorted(source.iterdir()):
        if any(path.match(left_out) for left_out in _LEFT_OUT):
            continue
        if path.is_dir():
            _copy_directory(path, target / path.name)
        else:
            _copy_file(path, target / path.name)


def _copy_file(source: Path, target: Path) -> None:
    # Not the whole mode: the files of an installed package may be read-only.
    mode = 0o777 if source.stat().st_mode & 0o111 else 0o666
    with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(source.read_bytes())
