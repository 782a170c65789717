"""What commands write: to standard output, or to a file, which is written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

import click


def write_output(path: Path | None, content: bytes, secret: bool = False) -> None:
    """Write a file. If that fails, what was there before stays, and a file that was not there is not created.

    :param path: ``None`` or ``-`` is standard output.
    :param secret: whether only the user may read the file, if it is a new one.
    :raises click.ClickException: if it cannot be written.
    """
    if path is None or str(path) == "-":
        click.echo(content, nl=False)
        return
    try:
        if path.exists() and not path.is_file():  # such as /dev/stdout
            path.write_bytes(content)
        else:
            _replace_file(path.resolve(), content, 0o600 if secret else 0o666 & ~_umask())
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}") from None


def _replace_file(path: Path, content: bytes, mode: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        mode = path.stat().st_mode & 0o777
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _umask() -> int:
    # The only way to read it is to set it.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
