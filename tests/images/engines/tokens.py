# SPDX-License-Identifier: Apache-2.0
"""A server of tokens, as large registries have: who has the password may do everything in one room, and only look into the others."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import threading
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.images.engines.daemons import PASSWORD, USER, Authority, called

ROOM, SERVICE, ISSUER = "seismo", "registry of tests", "tests"


class Tokens:
    """Gives tokens that a registry believes which knows its certificate."""

    def __init__(self, root: Path, authority: Authority) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.key, self.certificate = root / "tokens.key", root / "tokens.crt"
        new = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tokens")
        called(*new, "-keyout", str(self.key), "-out", str(self.certificate))
        tokens = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                tokens.answer(self)

            def log_message(self, *words: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.chain, authority.key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def section(self) -> str:
        """What a registry's configuration says of it."""
        realm = f"https://localhost:{self.server.server_address[1]}/token"
        return f'auth: {{token: {{realm: "{realm}", service: "{SERVICE}", issuer: {ISSUER}, rootcertbundle: {self.certificate}}}}}'

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Give a token for what is asked, as far as it is allowed."""
        given = request.headers.get("Authorization", "").removeprefix("Basic ")
        known = base64.b64decode(given).decode() == f"{USER}:{PASSWORD}"
        access = []
        for scope in parse_qs(urlsplit(request.path).query).get("scope", []):
            kind, name, actions = scope.split(":")
            allowed = {"pull", "push"} if known and name.startswith(f"{ROOM}/") else {"pull"}
            access.append({"type": kind, "name": name, "actions": sorted(allowed & set(actions.split(",")))})
        body = json.dumps({"token": self.token(access)}).encode()
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def token(self, access: Sequence[object]) -> str:
        """Return a signed token."""
        pem = self.certificate.read_text().splitlines()
        now = int(time.time())
        times = {"exp": now + 300, "nbf": now - 10, "iat": now}
        claims = {"iss": ISSUER, "sub": USER, "aud": SERVICE, "jti": str(now), **times, "access": access}
        header = {"typ": "JWT", "alg": "RS256", "x5c": ["".join(line for line in pem if "-----" not in line)]}
        text = ".".join(encoded(json.dumps(part).encode()) for part in (header, claims))
        command = ("openssl", "dgst", "-sha256", "-sign", str(self.key))
        signed = subprocess.run(command, input=text.encode(), capture_output=True, check=True).stdout
        return f"{text}.{encoded(signed)}"

    def end(self) -> None:
        """End it."""
        self.server.shutdown()
        self.server.server_close()


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
