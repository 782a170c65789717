"""Writes a configuration for the hooks of an application: a new one, or into an existing one."""

from .config_options import ConfigOptions
from .generate import GeneratedConfig, generate, note_on_public_endpoints
from .merge import merge

__all__ = ["ConfigOptions", "GeneratedConfig", "generate", "merge", "note_on_public_endpoints"]
