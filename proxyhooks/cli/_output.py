"""What commands write: to standard output, or to a file, which is written whole or not at all; and without secrets."""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
import tempfile
from collections.abc import Iterable, Mapping
from io import FileIO
from pathlib import Path
from typing import Final

import click

from .._settings.secrets import hide_secret

_SECRET_NAME: Final = re.compile("auth|cookie|credential|key|passw|secret|session|token", re.IGNORECASE)
_DESCRIPTORS: Final = {"/dev/stdout": 1, "/dev/stderr": 2}
_DESCRIPTOR: Final = re.compile(r"(?:/dev|/proc/self)/fd/(\d{1,9})")
_CANNOT_REPLACE: Final = (errno.EACCES, errno.EBUSY, errno.EPERM, errno.EROFS, errno.EXDEV)
"""Errors of a folder in which no file can be made, of a file that a container mounts, and of another owner."""


def secret_values(headers: Mapping[str, str]) -> list[str]:
    """The values of headers that are secrets by their names, and their words: a scheme such as Bearer is none."""
    values = [value for name, value in headers.items() if _SECRET_NAME.search(name)]
    return [*values, *(word for value in values for word in re.split("[ ;=]+", value))]


def hide_all(text: str, hidden: Iterable[str | None]) -> str:
    """The text without these values: a reply may have what it was asked with."""
    for value in hidden:
        text = hide_secret(text, value)
    return text


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
        if (descriptor := _descriptor_of(str(path))) is not None:
            sys.stdout.flush()
            # Not opened by its path, which would empty a file to which the shell appends.
            with open(os.dup(descriptor), "wb") as file:
                file.write(content)
        else:
            _write_file(path, content, 0o600 if secret else 0o666 & ~_umask())
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}") from None


def _descriptor_of(path: str) -> int | None:
    """The open file of this process that the path means, such as ``/dev/stdout``; None if it means no such file."""
    match = _DESCRIPTOR.fullmatch(path)
    return int(match[1]) if match else _DESCRIPTORS.get(path)


def _write_file(path: Path, content: bytes, mode: int) -> None:
    """Write a file.

    :param mode: permissions of the file, if it is a new one.
    """
    target = os.path.realpath(path)  # a link stays a link
    try:
        old = os.stat(path)
    except FileNotFoundError:
        _replace_file(target, content, mode, None)
        return
    if not stat.S_ISREG(old.st_mode):  # such as a device or a named pipe
        path.write_bytes(content)
    elif old.st_nlink > 1:  # its other names are to have the new content, too
        _overwrite_file(target, content)
    else:
        try:
            _replace_file(target, content, old.st_mode & 0o777, old)
        except OSError as error:
            if error.errno not in _CANNOT_REPLACE:
                raise
            _overwrite_file(target, content)


def _replace_file(path: str, content: bytes, mode: int, old: os.stat_result | None) -> None:
    """Write a new file in the place of the old one, if there is one, with the same owner."""
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".proxyhooks-")
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
        new = os.stat(temporary)
        if old is not None and (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
            os.chown(temporary, old.st_uid, old.st_gid)
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _overwrite_file(path: str, content: bytes) -> None:
    """Write into a file that cannot be replaced. If that fails, as on a full disk, write back what was there."""
    with open(path, "r+b", buffering=0) as file:
        old = file.readall()
        try:
            _write_all(file, content)
        except BaseException:
            _write_all(file, old)
            raise


def _write_all(file: FileIO, content: bytes) -> None:
    file.seek(0)
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]
    file.truncate()


def _umask() -> int:
    # The only way to read it is to set it.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
