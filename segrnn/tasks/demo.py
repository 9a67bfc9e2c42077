"""Serve a page that labels pictures in the browser: ``python -m segrnn.demo ckpt=...``."""

import tempfile
import webbrowser
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from segrnn.config.serving import Demo
from segrnn.errors import ConfigError
from segrnn.tasks.making_site import load_named, make_site
from segrnn.text import tell

LOOPBACK = "127.0.0.1"

HEADERS = {
    # threads of WebAssembly need both
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Content-Security-Policy": "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; "
    "connect-src 'self'; style-src 'self'; img-src 'self'; media-src blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",  # another network may be served at this address soon
}


class SiteHandler(SimpleHTTPRequestHandler):
    """A handler of requests for the files of a site. It sends the headers that threads need, and says nothing."""

    def end_headers(self) -> None:
        """Add `HEADERS`."""
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing."""


def demo(config: Demo, run_dir: Path) -> None:
    """Make a site in a temporary folder, serve it to this machine only, and open it, until the process is interrupted.

    Args:
        config: the configuration of ``conf/demo.yaml``.
        run_dir: the run's folder. Nothing is written there.

    Raises:
        SegrnnError: the checkpoint or the configuration is at fault, or the network can't be exported.
    """
    with tempfile.TemporaryDirectory() as folder, _serve(Path(folder), config.port) as server:
        networks = load_named([source for source in (config.ckpt, config.compare) if source], config.allow)
        make_site(networks, Path(folder), config.examples, config.onnxruntime_web)
        address = f"http://localhost:{server.server_port}"
        tell(f"serving {address} until Ctrl-C")
        if config.open:
            webbrowser.open(address)
        server.serve_forever()


def _serve(folder: Path, port: int) -> ThreadingHTTPServer:
    try:
        return ThreadingHTTPServer((LOOPBACK, port), partial(SiteHandler, directory=str(folder)))
    except (OSError, OverflowError) as error:  # a port above 65535 is an OverflowError
        raise ConfigError(f"port={port} can't be used: {error}. port=0 takes any that is free") from error
