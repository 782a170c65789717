"""Findings as such."""

from __future__ import annotations

from proxyhooks.centrifugo.config.findings import Finding, once_per_kind


def unknown(path: str) -> Finding:
    return Finding(id="PH013", path=path, text=f"{path.rpartition('.')[2]} is unknown", fix="remove it")


def test_findings_of_one_kind_become_one() -> None:
    found = [unknown(f"proxies[{index}].type") for index in (0, 1, 3)] + [unknown("proxies[7].kind")]
    found += [unknown("rpc.namespaces[0].type"), unknown("rpc.namespaces[4].type")]
    assert [(finding.path, finding.text) for finding in once_per_kind(found)] == [
        ("proxies[0].type", "type is unknown, here and in 2 more places"),
        ("proxies[7].kind", "kind is unknown"),
        ("rpc.namespaces[0].type", "type is unknown, here and in 1 more place"),
    ]
