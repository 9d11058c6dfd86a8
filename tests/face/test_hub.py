"""Runs on the hub: huggingface_hub itself, against a small hub of this test's own on this machine."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from nesy import hub, run_folder
from nesy.errors import RunError


class Hub:
    """Repositories as mappings of files; each upload is a new commit."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, bytes]] = {}
        self.fetched: list[str] = []
        self.endpoint = ""

    def commit(self, repository: str) -> str:
        digest = hashlib.sha1(repository.encode())
        for name, content in sorted(self.files[repository].items()):
            digest.update(name.encode() + b"\0" + content)
        return digest.hexdigest()

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        parts = [unquote(part) for part in path.split("?")[0].strip("/").split("/")]
        match parts:
            case ["api", "repos", "create"]:
                told = json.loads(body)
                name = f"{told['organization']}/{told['name']}" if told.get("organization") else told["name"]
                if name.startswith("forbidden/"):
                    return 403, {"X-Error-Message": "You may not write here"}, b"{}"
                self.files.setdefault(name, {})
                return 200, {}, json.dumps({"url": f"{self.endpoint}/{name}"}).encode()
            case ["api", "models", owner, name, "preupload", _]:
                files = [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False}
                         for f in json.loads(body)["files"]]  # fmt: skip
                return 200, {}, json.dumps({"files": files}).encode()
            case ["api", "models", owner, name, "commit", _]:
                self._change(f"{owner}/{name}", [json.loads(line) for line in body.splitlines()])
                told = {
                    "success": True,
                    "commitOid": self.commit(f"{owner}/{name}"),
                    "commitUrl": f"{self.endpoint}/ann/mood/commit/0",
                }
                return 200, {}, json.dumps(told).encode()
            case ["api", "models", owner, name, *_] if f"{owner}/{name}" in self.files:
                return 200, {}, json.dumps(self._about(parts, f"{owner}/{name}")).encode()
            case [owner, name, "resolve", _, *rest] if f"{owner}/{name}" in self.files:
                return self._file(method, f"{owner}/{name}", "/".join(rest))
        return 404, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}, b"{}"

    def _about(self, parts: list[str], repository: str) -> Any:
        names = sorted(self.files[repository])
        if "tree" in parts:
            return [{"type": "file", "path": n, "size": len(self.files[repository][n]), "oid": "0" * 40} for n in names]
        return {"id": repository, "sha": self.commit(repository), "siblings": [{"rfilename": n} for n in names]}

    def _change(self, repository: str, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            match line:
                case {"key": "file", "value": {"path": path, "content": content}}:
                    self.files[repository][path] = base64.b64decode(content)
                case {"key": "deletedFile", "value": {"path": path}}:
                    del self.files[repository][path]

    def _file(self, method: str, repository: str, name: str) -> tuple[int, dict[str, str], bytes]:
        if name not in self.files[repository]:
            return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": self.commit(repository)}, b""
        content = self.files[repository][name]
        if method == "GET":
            self.fetched.append(name)
        headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": self.commit(repository)}
        return 200, headers, content


@pytest.fixture
def our_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    constants = pytest.importorskip("huggingface_hub.constants")
    ours = Hub()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            code, headers, content = ours.answer(self.command, self.path, body)
            self.send_response(code)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_POST = do_HEAD = answer

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = ours.endpoint = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.chdir(tmp_path)
    yield ours
    server.shutdown()
    server.server_close()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    with run_folder.writing(tmp_path / "run") as scratch:
        (scratch / "rules").mkdir()
        (scratch / "rules" / "program.nesy").write_text("p(a).")
        run_folder.write_json(scratch / "config.json", {"a": 1})
    (tmp_path / "run" / "notes.txt").write_text("not part of the run")
    return tmp_path / "run"


def test_what_is_pushed_comes_back_and_nothing_else(our_hub: Hub, run: Path) -> None:
    hub.push(run, "ann/mood", token="hf_test")
    assert sorted(our_hub.files["ann/mood"]) == ["config.json", "manifest.json", "rules/program.nesy"]
    our_hub.files["ann/mood"]["weights.pkl"] = b"never fetched"
    back = hub.run_place("ann/mood")
    run_folder.check(back)
    assert run_folder.read_json(back, "config.json") == {"a": 1}
    assert (back / "rules" / "program.nesy").read_text() == "p(a)."
    assert "weights.pkl" not in our_hub.fetched


def test_a_new_version_takes_the_place_of_the_old_one(our_hub: Hub, run: Path) -> None:
    our_hub.files["ann/mood"] = {"rules/old.nesy": b"q(a)."}
    hub.push(run, "ann/mood", token="hf_test")
    assert "rules/old.nesy" not in our_hub.files["ann/mood"]
    run_folder.update_json(run, "config.json", {"a": 2})
    hub.push(run, "ann/mood", token="hf_test")
    assert run_folder.read_json(hub.run_place("ann/mood"), "config.json") == {"a": 2}


def test_a_run_that_was_changed_on_the_hub_is_refused(our_hub: Hub, run: Path) -> None:
    hub.push(run, "ann/mood", token="hf_test")
    our_hub.files["ann/mood"]["config.json"] = b"{}"
    with pytest.raises(RunError, match=r"config\.json: not the file that training wrote"):
        run_folder.check(hub.run_place("ann/mood"))


def test_what_is_no_run_is_refused_before_its_files_are_fetched(our_hub: Hub) -> None:
    our_hub.files["ann/other"] = {"config.json": b"{}", "pytorch_model.bin": b"code"}
    with pytest.raises(RunError) as caught:
        hub.run_place("ann/other")
    assert str(caught.value) == "ann/other: what the hub holds there is not a nesy run: it has no manifest.json"
    our_hub.files["ann/other"]["manifest.json"] = b'{"format": "something"}'
    with pytest.raises(RunError, match=r"ann/other: what the hub holds there is not a nesy run$"):
        hub.run_place("ann/other")
    assert our_hub.fetched == ["manifest.json"]


def test_a_hub_that_refuses_is_one_line(our_hub: Hub, run: Path) -> None:
    with pytest.raises(RunError, match="ann/none: no such run folder, and the hub does not give it: ") as caught:
        hub.run_place("ann/none")
    assert "\n" not in str(caught.value)
    with pytest.raises(RunError, match="forbidden/mood: the hub does not take it: ") as caught:
        hub.push(run, "forbidden/mood", token="hf_test")
    assert "\n" not in str(caught.value)
    with pytest.raises(RunError, match="`mood` is not a hub id: write OWNER/NAME"):
        hub.push(run, "mood")


def test_without_a_network_only_the_cache_is_read(our_hub: Hub, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.push(run, "ann/mood", token="hf_test")
    hub.run_place("ann/mood")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    run_folder.check(hub.run_place("ann/mood"))
    with pytest.raises(RunError) as caught:
        hub.run_place("ann/unknown")
    assert str(caught.value) == (
        "ann/unknown: no such run folder, not in the local hub cache, and the network is switched off (HF_HUB_OFFLINE)"
    )


@pytest.mark.usefixtures("our_hub")
def test_a_hub_that_cannot_be_reached_is_one_line(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")  # nothing listens there
    with pytest.raises(RunError, match=r"^ann/mood: the hub does not take it: ") as caught:
        hub.push(run, "ann/mood", token="hf_test")
    assert "\n" not in str(caught.value)


def test_a_name_inside_a_folder_of_this_machine_is_never_asked_of_the_hub(our_hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    assert hub.run_place("runs/mood") == Path("runs/mood")
    assert hub.run_place(tmp_path / "mood") == tmp_path / "mood"
    assert our_hub.fetched == []
