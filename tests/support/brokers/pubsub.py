"""Pub/Sub: Google's emulator, and before it a gate that does what Google's servers do and the emulator does not: it
verifies the service account's JWT with PyJWT, lets nobody pass without a token and refuses mixed ordering keys."""

import base64
import glob
import json
import os
import secrets
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from process import Program, free_port, until

JARS = "/usr/lib/google-cloud-sdk/platform/pubsub-emulator/lib/*.jar"
JVM = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m"]
MAIN = "com.google.cloud.pubsub.testing.v1.Main"
ACCOUNT = "dispatcher@my-project.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/pubsub"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class PubSub:
    def __init__(self, program, host: str) -> None:
        self.program = program
        self.emulator = f"http://{host}"
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.tokens: set = set()
        self.requests = 0
        self.next_status = None
        self.lifetime = 3599
        part = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status, answer = part.token(body) if self.path == "/token" else part.pass_on(self, body)
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_args) -> None:
                pass

        self.gate = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.gate.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.gate.server_port}"
        pem = self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()
        account = {
            "type": "service_account",
            "client_email": ACCOUNT,
            "private_key_id": "a-key",
            "private_key": pem,
            "token_uri": f"{self.url}/token",
            # The gate's host: tokens are sent to nobody else.
            "universe_domain": "127.0.0.1",
        }
        self.about = {"endpoint": self.url, "emulator": host, "serviceAccount": json.dumps(account)}

    def token(self, body: bytes) -> tuple:
        """RFC 7523, as Google's token endpoint has it."""
        self.requests += 1
        form = dict(urllib.parse.parse_qsl(body.decode()))
        try:
            if form.get("grant_type") != GRANT:
                raise ValueError("grant_type")
            claims = jwt.decode(
                form["assertion"],
                self.key.public_key(),
                algorithms=["RS256"],
                audience=f"{self.url}/token",
                issuer=ACCOUNT,
                options={"require": ["iss", "aud", "iat", "exp"]},
            )
            if claims["scope"] != SCOPE or not 0 < claims["exp"] - claims["iat"] <= 3600:
                raise ValueError("scope or lifetime")
            if abs(claims["iat"] - time.time()) > 60 or jwt.get_unverified_header(form["assertion"])["kid"] != "a-key":
                raise ValueError("iat or kid")
        except Exception as error:
            return 400, json.dumps({"error": "invalid_grant", "error_description": str(error)}).encode()
        token = secrets.token_urlsafe(24)
        self.tokens.add(token)
        return 200, json.dumps({"access_token": token, "expires_in": self.lifetime, "token_type": "Bearer"}).encode()

    def pass_on(self, request, body: bytes) -> tuple:
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return error_of(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
        if self.next_status:
            status, self.next_status = self.next_status, None
            return error_of(status, "FAILED", "as the test wants it")
        if len({message.get("orderingKey", "") for message in json.loads(body)["messages"]}) > 1:
            return error_of(400, "FAILED_PRECONDITION", "The messages of a request have different ordering keys.")
        return self.post(request.path, body)

    def post(self, path: str, body: bytes, method: str = "POST") -> tuple:
        request = urllib.request.Request(self.emulator + path, body, {"content-type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def do_topic(self, project: str, topic: str) -> None:
        """Makes a topic with a subscription of the same name, which keeps the order of each ordering key."""
        name = f"projects/{project}/topics/{topic}"
        subscription = {"topic": name, "enableMessageOrdering": True}
        for path, content in [
            (f"/v1/{name}", {}),
            (f"/v1/projects/{project}/subscriptions/{topic}", subscription),
        ]:
            status, answer = self.post(path, json.dumps(content).encode(), "PUT")
            if status != 200:
                raise RuntimeError(answer.decode())

    def do_pull(self, project: str, topic: str, count: int) -> list:
        path = f"/v1/projects/{project}/subscriptions/{topic}"
        messages = []

        def enough() -> bool:
            _, answer = self.post(f"{path}:pull", b'{"maxMessages": 1000}')
            received = json.loads(answer).get("receivedMessages", [])
            if received:
                ids = json.dumps({"ackIds": [one["ackId"] for one in received]}).encode()
                self.post(f"{path}:acknowledge", ids)
            messages.extend(one["message"] for one in received)
            return len(messages) >= count

        until(enough, 20)
        return [{**one, "data": base64.b64decode(one.get("data", "")).decode()} for one in messages]

    def do_tokens(self) -> int:
        """How many were asked for."""
        return self.requests

    def do_revoke(self) -> None:
        self.tokens.clear()

    def do_fail(self, status: int) -> None:
        self.next_status = status

    def stop(self) -> None:
        self.gate.shutdown()
        if self.program:
            self.program.stop()


def error_of(status: int, name: str, message: str) -> tuple:
    return status, json.dumps({"error": {"code": status, "message": message, "status": name}}).encode()


def emulator(folder: str) -> PubSub:
    if host := os.environ.get("PUBSUB_TEST_HOST"):
        return PubSub(None, host)
    port = free_port()
    command = ["java", *JVM, "-cp", ":".join(glob.glob(JARS)), MAIN, "--host=127.0.0.1", f"--port={port}"]
    return PubSub(Program(command, port, folder=folder), f"127.0.0.1:{port}")
