"""Reads a configuration as Centrifugo does: a file, then environment variables over it."""

from .files import read_file
from .reader import Reading, read_config, read_tree

__all__ = ["Reading", "read_config", "read_file", "read_tree"]
