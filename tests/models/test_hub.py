"""Fetching models from a small hub that runs here and answers as the real one does."""

from __future__ import annotations

import errno
import hashlib
import json
import socket
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, ClassVar

import huggingface_hub
import pytest

from nucloop.errors import WeightsError
from nucloop.models.files.hub import fetch_model

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_right"


class Hub(BaseHTTPRequestHandler):
    """Files of four models: open, gated, private and one that makes it stumble."""

    files: ClassVar[dict[str, bytes]] = {"config.json": json.dumps({"a": 1}).encode(), "pytorch_model.bin": b"weights"}

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        owner_model, _, rest = self.path.lstrip("/").partition("/resolve/main/")
        name = rest.partition("?")[0]
        granted = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if owner_model == "lab/gated" and not granted:
            self.refuse(403, "GatedRepo")
        elif owner_model == "lab/wrong-token":
            self.refuse(403, "")
        elif owner_model == "lab/broken":
            self.refuse(501, "")
        elif owner_model not in ("lab/open", "lab/gated", "lab/empty"):
            self.refuse(401, "RepoNotFound")
        elif name not in self.files or owner_model == "lab/empty":
            self.refuse(404, "EntryNotFound")
        else:
            self.give(self.files[name])

    def give(self, data: bytes) -> None:
        self.send_response(200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Repo-Commit", COMMIT)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path) -> None:
    """Whoever runs the tests may be logged in."""
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.delenv("HF_TOKEN", raising=False)


def test_a_model_is_fetched_once_and_then_found_on_this_computer(hub, tmp_path):
    folder = fetch_model("lab/open", cache=tmp_path, endpoint=hub)
    assert (folder / "config.json").read_bytes() == Hub.files["config.json"]
    assert (folder / "pytorch_model.bin").read_bytes() == b"weights"

    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{free.getsockname()[1]}"
    (folder / "model.safetensors").write_bytes(b"of another day")
    assert fetch_model("lab/open", cache=tmp_path, endpoint=nowhere) == folder


def test_a_gated_model_is_given_to_who_has_access(hub, tmp_path):
    folder = fetch_model("lab/gated", token=TOKEN, cache=tmp_path, endpoint=hub)
    assert (folder / "pytorch_model.bin").is_file()


@pytest.mark.parametrize(
    ("repo", "words"),
    [
        ("lab/gated", r"lab/gated is given only to people who accept its terms\. .*ask for access.*hf auth login"),
        ("lab/secret", r"does not show lab/secret\. Check the name; if it is private or gated, log in"),
        ("lab/wrong-token", r"refuses lab/wrong-token to the access token in use.*Make a new token"),
        ("lab/broken", r"cannot give lab/broken at present \(status 501\)\. Try again later"),
        ("lab/empty", r"lab/empty on the Hugging Face Hub has no config\.json, so it cannot be loaded"),
        ("no such name!", r"'no such name!' is no name of a model on the Hugging Face Hub\. Write OWNER/MODEL"),
    ],
)
def test_every_refusal_is_a_sentence_that_says_what_to_do(hub, tmp_path, repo, words):
    with pytest.raises(WeightsError, match=words):
        fetch_model(repo, token="hf_wrong", cache=tmp_path, endpoint=hub)


def test_without_a_network_it_says_so(tmp_path):
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(WeightsError, match=r"not on this computer yet, .*cannot be reached\. .*give the folder"):
        fetch_model("lab/open", cache=tmp_path, endpoint=nowhere)


def test_a_full_disk_is_a_sentence(monkeypatch, tmp_path):
    def full(*args: object, **kwargs: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", full)
    with pytest.raises(WeightsError, match=r"Cannot keep lab/open .*No space left on device.*make room, or let"):
        fetch_model("lab/open", cache=tmp_path)


def test_a_folder_that_cannot_be_written_is_a_sentence(hub, tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(WeightsError, match=r"Cannot keep lab/open on this computer"):
        fetch_model("lab/open", cache=tmp_path / "cache", endpoint=hub)
