"""``python -m tests.support.source_digests``: prints digests of the installed Flask, Werkzeug and marshmallow.

To support a new release: read what changed in the functions marked as unknown, add their digests to
``proxyhooks/_flask/fast_path/source_digests.py``, and run ``tests/flask/fast_path`` with that release.
"""

from __future__ import annotations

import importlib.metadata

from proxyhooks._flask.fast_path import source_digests


def main() -> None:
    for package in ("flask", "werkzeug", "marshmallow"):
        print(package, importlib.metadata.version(package))
    for table in ("DISPATCHING", "CONTEXTS", "SCHEMAS"):
        print(f"\n{table}")
        for name, digests in getattr(source_digests, table).items():
            digest = source_digests.digest(source_digests.installed_function(name))
            print(f"{digest or 'no source':12}  {name}: {digests.get(digest or '', 'unknown')}")


if __name__ == "__main__":
    main()
