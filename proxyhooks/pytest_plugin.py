"""The pytest plugin: the fixture ``centrifugo``."""
