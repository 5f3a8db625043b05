"""Behind a company's proxy, with a company's certificates: the API server, the registry and the package index alike."""

import hashlib
import os
import ssl
import threading
import time
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import fairing
from fairing.errors import AccessError
from fairing.events import Text
from tests.dependencies.places import installed, wheel
from tests.kube import places
from tests.kube.relays import ConnectProxy
from tests.registry import servers

LOGIN = "ann:pass-word"
API = "api.fairing.test:443"
"""A name that the proxy alone knows."""


@pytest.fixture
def direct(monkeypatch):
    """No proxy and no certificates but those that a test names."""
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT"):
        monkeypatch.delenv(name, raising=False)


def server_of(api):
    parts = urlsplit(api.configuration.host)
    return parts.hostname, parts.port or 443


def test_a_run_goes_through_a_proxy_that_wants_a_login_with_its_log_its_watches_and_what_is_fetched_from_its_pod(
    there, direct, cluster, api, tmp_path, monkeypatch
):
    named = {"server": f"https://{API.partition(':')[0]}", "tls_server_name": "kubernetes.default.svc"}
    unsaid = {"certificate_authority": None, "certificate_authority_data": None}
    file = places.kubeconfig(cluster.kubeconfig, tmp_path / "config", **named, **unsaid)

    def works():
        for number in range(40):
            print("line", number, flush=True)
            time.sleep(0.1)
        Path("model.txt").write_text("leaf")
        return os.urandom(3 << 20)

    with ConnectProxy({API: server_of(api)}, LOGIN) as proxy:
        monkeypatch.setenv("KUBECONFIG", file)
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", api.configuration.ssl_ca_cert)
        job = fairing.submit(works, outputs=["*.txt"])
        texts = []
        for event in job.events():
            if isinstance(event, Text):
                texts.append(event.text)
                if len(texts) == 5:
                    proxy.cut()
        assert "".join(texts).splitlines() == [f"line {number}" for number in range(40)]
        assert len(job.result()) == 3 << 20
        (model,) = job.download(to=tmp_path)
        assert model.read_text() == "leaf"
        assert (proxy.targets(), proxy.refused) == ({API}, [])
        assert sum(tunnel.carried for tunnel in proxy.tunnels) > 3 << 20
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("pass-word", "wrong"))
        with pytest.raises(AccessError, match=r"cannot be reached") as refused:
            fairing.jobs(target="cluster")
        assert "wrong" not in str(refused.value)


def test_the_proxy_of_a_kubeconfig_goes_before_that_of_the_environment(
    there, direct, cluster, api, tmp_path, monkeypatch
):
    with ConnectProxy(login=LOGIN) as proxy:
        file = places.kubeconfig(cluster.kubeconfig, tmp_path / "config", proxy_url=proxy.url)
        monkeypatch.setenv("KUBECONFIG", file)
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
        assert fairing.jobs(target="cluster") == []
        assert proxy.targets() == {":".join(map(str, server_of(api)))}


class Packages(SimpleHTTPRequestHandler):
    """A package index."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if not self.path.startswith("/simple/"):
            super().do_GET()
            return
        name = self.path.strip("/").split("/")[1]
        found = Path(self.directory).glob(f"{name.replace('-', '_')}-*.whl")
        digests = {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in found}
        page = "".join(f'<a href="/{each}#sha256={digest}">{each}</a>' for each, digest in digests.items())
        body = f"<!DOCTYPE html><html><body>{page}</body></html>".encode()
        self.send_response(200 if digests else 404)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@contextmanager
def index(folder, authority):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(authority / "server.pem", authority / "server.key")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Packages, directory=str(folder))) as server:
        server.daemon_threads = True  # a client keeps its connection as long as it likes
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_an_image_is_made_from_an_index_and_pushed_to_a_registry_through_the_same_proxy_with_the_same_certificates(
    there, direct, tmp_path, monkeypatch
):
    authority = servers.certificates(tmp_path)
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    installed(wheels, "cloudpickle")
    wheel(wheels, "hidden", "1.0", {"hidden.py": "N = 3\n"})
    with servers.registry(tmp_path, tls=authority) as registry, index(wheels, authority) as port:
        leads = {"registry.test:443": registry.split(":"), "registry.test:8443": ("127.0.0.1", port)}
        with ConnectProxy(leads, LOGIN) as proxy:
            monkeypatch.setenv("FAIRING_HOME", str(tmp_path / "home"))
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority / "ca.pem"))
            monkeypatch.setenv("PIP_INDEX_URL", "https://registry.test:8443/simple")
            monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
            monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
            made = fairing.build(
                print,
                builder="append",
                repository="registry.test/team/images",
                requirements=["hidden"],
                dependencies="resolved",
            )
            assert (proxy.targets(), proxy.refused) == (set(leads), [])
        assert made.ref.startswith("registry.test/team/images")
        assert sum(tunnel.carried for tunnel in proxy.tunnels if tunnel.target == "registry.test:8443") > 10_000
