"""From a tag over real servers: what a remote lacks is an error, and what cannot be opened is one line."""

import functools
import http.server
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import xarray as xr

from pipeline import opening
from pipeline.errors import InputError
from pipeline.store import layout

A, B, TWIN = "tiny-llama-3.2", "tiny-qwen2.5", "tiny-untrained"
SHARD = "comprehension/vector/c"


def run(folder, *command):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def repository(finished, tmp_path_factory) -> Path:
    """A git repository that has the finished project's vectors in a DVC remote inside it, under a tag; its cache is empty."""
    root = tmp_path_factory.mktemp("published")
    shutil.copytree(finished.folder / layout.VECTORS, root / layout.VECTORS)
    stages = "".join(f"  v{n}:\n    cmd: 'true'\n    outs: [data/vectors.zarr/{m}]\n" for n, m in enumerate((A, B, TWIN)))
    (root / "dvc.yaml").write_text(f"stages:\n  roots:\n    cmd: 'true'\n    outs: [data/vectors.zarr/zarr.json]\n{stages}")
    (root / ".gitignore").write_text("/data/vectors.zarr/\n")
    dvc = (sys.executable, "-m", "dvc")
    run(root, "git", "init", "-q")
    for key, value in (("user.email", "a@example.org"), ("user.name", "a")):
        run(root, "git", "config", key, value)
    run(root, *dvc, "init", "-q")
    run(root, *dvc, "remote", "add", "-q", "-d", "inside", "../artifacts")
    (root / ".dvc/config").write_text((root / ".dvc/config").read_text().replace("../../artifacts", "../artifacts"))
    run(root, *dvc, "commit", "-fq")
    run(root, *dvc, "push", "-q")
    run(root, "git", "add", "-A")
    run(root, "git", "commit", "-qm", "one")
    run(root, "git", "tag", "v1")
    shutil.rmtree(root / ".dvc/cache")
    shutil.rmtree(root / "data")
    return root


class Ranges(http.server.SimpleHTTPRequestHandler):
    """A server as the web has them: it answers a range with that range."""

    ranges, asked = True, []

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not (wanted and self.ranges and path.is_file()):
            return super().do_GET()
        content = path.read_bytes()
        first, last = int(wanted[1]), int(wanted[2] or len(content) - 1)
        part = content[first : last + 1]
        self.asked.append((path.name, len(part), len(content)))
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{first + len(part) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        return self.wfile.write(part)


@pytest.fixture(params=["ranges", "plain"])
def over_http(request, repository, tmp_path):
    """A copy of the repository whose remote is an http server on loopback."""
    handler = type("Handler", (Ranges,), {"ranges": request.param == "ranges", "asked": []})
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(handler, directory=str(repository / "artifacts"))
    )
    server.handler = handler
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    root = tmp_path / "clone"
    run(tmp_path, "git", "clone", "-q", str(repository), str(root))
    (root / ".dvc/config").write_text(
        f"[core]\n    remote = web\n['remote \"web\"']\n    url = http://127.0.0.1:{server.server_port}\n"
    )
    shutil.rmtree(root / "artifacts")
    run(root, "git", "-c", "user.email=a@example.org", "-c", "user.name=a", "commit", "-qam", "web")
    run(root, "git", "tag", "v2")
    yield root, server
    server.shutdown()
    server.server_close()
    thread.join()


def same(tree, finished):
    truth = xr.open_datatree(finished.folder / layout.VECTORS, engine="zarr", consolidated=False)
    assert {n.path for n in tree.subtree} == {n.path for n in truth.subtree}
    for node in truth.subtree:
        xr.testing.assert_identical(tree[node.path].to_dataset(), node.to_dataset())


@pytest.mark.parametrize("address", ["{}", "file://{}"])
def test_a_tag_opens_without_a_pull_from_a_remote_inside_the_repository(repository, finished, tmp_path, monkeypatch, address):
    monkeypatch.chdir(tmp_path)
    same(opening.open_vectors(address.format(repository), rev="v1"), finished)
    assert not (repository / "data").exists()


def test_a_tag_opens_over_http_in_ranges(over_http, finished):
    root, server = over_http
    tree = opening.open_vectors(root, rev="v2")
    vector = tree[f"{A}/comprehension"]["vector"]
    whole = (finished.folder / layout.VECTORS / A / SHARD).rglob("*")
    size = next(p.stat().st_size for p in whole if p.is_file())
    if server.handler.ranges:
        server.handler.asked.clear()
        vector.isel(precision=0, variant=0, position=0, layer=1, emotion=2).load()
        assert 0 < sum(n for _, n, _ in server.handler.asked) < size / 2
    same(tree, finished)


def test_an_object_that_the_remote_lacks_or_has_changed_is_an_error_and_never_nan(over_http, repository, finished):
    root, _ = over_http
    opened = opening.open_vectors(root, rev="v2")
    objects = repository / "artifacts/files/md5"
    aside = repository / "aside"
    shutil.copytree(objects, aside)
    try:
        largest = max((p for p in objects.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
        content = largest.read_bytes()
        largest.unlink()
        with pytest.raises(InputError, match="not whole in its DVC remote: 404, message='File not found'"):
            opening.open_vectors(root, rev="v2")
        with pytest.raises(InputError, match="not whole in its DVC remote"):
            for node in opened.subtree:
                node.to_dataset().load()
        largest.write_bytes(content[:-30])
        with pytest.raises(InputError, match=r"checksum|not those that were pushed"):
            for node in opening.open_vectors(root, rev="v2").subtree:
                node.to_dataset().load()
        largest.write_bytes(content)
        small = next(
            p for p in objects.rglob("*") if p.is_file() and b'"node_type":"group"' in p.read_bytes().replace(b" ", b"")
        )
        small.write_bytes(small.read_bytes() + b" ")
        with pytest.raises(InputError, match="its contents are not those that were pushed"):
            opening.open_vectors(root, rev="v2")
    finally:
        shutil.rmtree(objects)
        shutil.move(aside, objects)


def test_a_server_that_answers_no_more_is_said_to_be_so_and_not_waited_for_without_end(repository, tmp_path):
    """Lengths are asked for in threads; each waits as long as DVC's config says, at every try."""
    done, headed = threading.Event(), set()

    class Silent(Ranges):
        def do_HEAD(self):
            if self.path.endswith(".dir"):
                return super().do_HEAD()
            headed.add(self.path)
            return done.wait()

        def do_GET(self):
            return done.wait() if self.path in headed else super().do_GET()

    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Silent, directory=str(repository / "artifacts"))
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        run(tmp_path, "git", "clone", "-q", str(repository), str(tmp_path / "clone"))
        web = f"url = http://127.0.0.1:{server.server_port}\n    read_timeout = 1\n"
        (tmp_path / "clone/.dvc/config").write_text(f"[core]\n    remote = web\n['remote \"web\"']\n    {web}")
        run(tmp_path / "clone", "git", "-c", "user.email=a@example.org", "-c", "user.name=a", "commit", "-qam", "web")
        began = time.monotonic()
        try:
            with pytest.raises(InputError, match="not whole in its DVC remote: Timeout on reading data from socket"):
                opening.open_vectors(tmp_path / "clone", rev="HEAD")
        finally:
            done.set()
            server.shutdown()
    assert time.monotonic() - began < 90


def test_a_wrong_repository_tag_or_out_is_one_line(repository, tmp_path):
    for repo, rev, said in (
        (repository, "v9", "no revision 'v9'"),
        (f"file://{tmp_path}/nowhere", "v1", "cannot be read as a DVC repository: No git repository was found at .*/nowhere$"),
        (tmp_path / "nowhere", "v1", "no such folder"),
    ):
        with pytest.raises(InputError, match=said) as error:
            opening.open_vectors(repo, rev=rev)
        assert "\n" not in str(error.value)
    run(tmp_path, "git", "init", "-q", str(tmp_path / "empty"))
    run(tmp_path / "empty", "git", "-c", "user.email=a@example.org", "-c", "user.name=a", "commit", "-qm", "x", "--allow-empty")
    with pytest.raises(InputError, match=r"records no data/vectors.zarr|cannot be read"):
        opening.open_vectors(tmp_path / "empty", rev="HEAD")


@pytest.mark.parametrize("scheme", ["http", "ssh"])
def test_a_repository_out_of_reach_is_said_to_be_so(scheme):
    """Of a clone that fails, without a network, DVC says `SCM error`."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        address = f"{scheme}://127.0.0.1:{taken.getsockname()[1]}/x"
        with pytest.raises(InputError, match=rf"^{address}: cannot be read as a DVC repository: \[Errno 111\] Conn"):
            opening.open_vectors(address)


def test_a_clone_whose_head_is_on_no_branch_is_asked_for_a_revision(repository, finished, tmp_path):
    run(tmp_path, "git", "clone", "-q", str(repository), "clone")
    run(tmp_path / "clone", "git", "checkout", "-q", "--detach")
    address = f"file://{tmp_path}/clone"
    with pytest.raises(InputError, match=f"^{address}: its HEAD is on no branch: give rev=, a tag or a commit; `git ls-remote"):
        opening.open_vectors(address)
    same(opening.open_vectors(address, rev="v1"), finished)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")  # of the server
def test_a_tag_opens_over_s3(repository, finished, tmp_path):
    pytest.importorskip("dvc_s3")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    import boto3

    server.start()
    host, port = server.get_host_and_port()
    given = {"aws_access_key_id": "k", "aws_secret_access_key": "s", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", **given)
    client.create_bucket(Bucket="vectors")
    for path in (p for p in (repository / "artifacts").rglob("*") if p.is_file()):
        client.upload_file(str(path), "vectors", path.relative_to(repository / "artifacts").as_posix())
    root = tmp_path / "clone"
    run(tmp_path, "git", "clone", "-q", str(repository), str(root))
    shutil.rmtree(root / "artifacts")
    (root / ".dvc/config").write_text(
        f"[core]\n    remote = s3\n['remote \"s3\"']\n    url = s3://vectors\n    endpointurl = http://{host}:{port}\n"
        "    access_key_id = k\n    secret_access_key = s\n    region = us-east-1\n"
    )
    run(root, "git", "-c", "user.email=a@example.org", "-c", "user.name=a", "commit", "-qam", "s3")
    run(root, "git", "tag", "v3")
    try:
        same(opening.open_vectors(root, rev="v3"), finished)
    finally:
        server.stop()
