"""Who holds the package, so that a worker must not import it anew; test_gunicorn has it with whole servers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FIND = """
import sys
import gunicorn.app.wsgiapp
import gunicorn.workers.gthread
from gunicorn.util import import_app
from proxyhooks.gunicorn import fresh_import

sys.path.insert(0, sys.argv[1])
exec("import module" if sys.argv[2] == "module" else "")
print(fresh_import.find_holder())
"""


def find_holder(here: Path, source: str | None) -> str:
    """Return what a fresh process prints that has imported a module with this source."""
    (here / "module.py").write_text(source or "")
    command = [sys.executable, "-c", FIND, str(here), "module" if source else "nothing"]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout.strip()


@pytest.mark.parametrize(
    "source",
    [
        "import proxyhooks",
        "import proxyhooks.gunicorn",
        "import proxyhooks as p",
        "from proxyhooks import errors",
        "from proxyhooks import Error",
        "from proxyhooks import *",
        "from proxyhooks import ConnectResult\nresult = ConnectResult(user='42')\ndel ConnectResult",
        "import proxyhooks\nclass Mine(proxyhooks.Error):\n    code, message = 1001, 'full'\ndel proxyhooks",
        "import proxyhooks\nclass Mine(proxyhooks.Error):\n    code, message = 1001, 'full'\nerror = Mine()\ndel Mine",
        "from proxyhooks._settings.settings import TIMEOUT",
        "from proxyhooks import ProxyHooks",
    ],
)
def test_a_module_that_holds_something_of_the_package_is_named(source: str, tmp_path: Path) -> None:
    assert find_holder(tmp_path, source) == "module"


def test_a_function_that_made_an_application_is_noticed(tmp_path: Path) -> None:
    source = "from flask import Flask\ndef create():\n    from proxyhooks import ProxyHooks\n    app = Flask('app')\n"
    source += "    ProxyHooks(app, secrets=['s'])\n    return app\napp = create()"
    assert find_holder(tmp_path, source) == "a function that has run"


@pytest.mark.parametrize(
    "source",
    [
        None,
        "from proxyhooks.gunicorn import *",
        "from proxyhooks.gunicorn.server_hooks import post_fork\nfrom proxyhooks.gunicorn import server_hooks",
        "import flask, marshmallow\nfrom flask import current_app, g, request, session",
        "def hook():\n    from proxyhooks import Error\n    raise Error(1001, 'full')",
        "proxyhooks = 'proxyhooks'\nclass A:\n    __module__ = property(lambda self: 1 / 0)\na = A()",
    ],
)
def test_nobody_holds_the_package(source: str | None, tmp_path: Path) -> None:
    assert find_holder(tmp_path, source) == "None"


FORGET = """
import proxyhooks, proxyhooks.gunicorn, sys
from proxyhooks.gunicorn import fresh_import, worker_table
sys.modules["proxyhooks_of_somebody"] = sys
before, state = proxyhooks.Error, worker_table.SharedState()
fresh_import.forget_package()
assert "proxyhooks_of_somebody" in sys.modules and "proxyhooks" not in sys.modules
import proxyhooks
assert proxyhooks.Error is not before
with state.table() as table:
    table.generation += 1
import proxyhooks.gunicorn.worker_table as new
assert new is not worker_table
print("done")
"""


def test_a_package_that_is_forgotten_is_imported_anew_and_goes_on_running() -> None:
    printed = subprocess.run([sys.executable, "-c", FORGET], capture_output=True, text=True, timeout=300, check=False)
    assert (printed.stdout, printed.stderr) == ("done\n", "")
