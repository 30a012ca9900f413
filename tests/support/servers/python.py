"""Python's servers: prints their ports, and answers as `../servers.ts` says. TLS_CERT and TLS_KEY are in PEM."""

import itertools
import json
import os
import socket
import ssl
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        self.connection_number = next(self.server.connections)

    def do_POST(self):
        if self.path == "/early":
            self.close_connection = True
            self.answer(413, b"too much")
            # As servers do that want their answer to arrive: what still comes is read, and thrown away.
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_WR)
            while self.rfile.read1(65_536):
                pass
            return
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/empty":
            self.answer(204, None)
        elif self.path == "/chunked":
            self.answer(200, None, {"transfer-encoding": "chunked"})
            for part in (b"one, ", b"two, ", b"three", b""):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        elif self.path == "/large":
            self.answer(200, b"x" * 1_048_576)
        else:
            if self.path == "/interim":
                self.send_response_only(100)
                self.end_headers()
                self.send_response_only(103)
                self.send_header("link", "</a>; rel=preload")
                self.end_headers()
            lines = [f"{self.command} {self.path} {self.request_version.removeprefix('HTTP/')}"]
            lines += [f"{name}: {value}" for name, value in self.headers.items()]
            closing = {"connection": "close"} if self.path == "/close" else {}
            self.answer(200, "\n".join(lines).encode() + b"\n\n" + body, closing)

    def answer(self, status, body, headers={}):
        self.send_response(status)
        self.send_header("x-connection", str(self.connection_number))
        for name, value in headers.items():
            self.send_header(name, value)
        if body is not None:
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        if body is not None:
            self.wfile.write(body)

    def log_message(self, *_):
        pass


class OldHandler(Handler):
    """Closes after each answer, as HTTP/1.0 does."""

    protocol_version = "HTTP/1.0"


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_):
        """Clients may hang up whenever they want to."""


def start(handler, context=None):
    server = Server(("127.0.0.1", 0), handler)
    server.connections = itertools.count(1)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever).start()
    return server.server_port


def tls_context():
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(os.environ["TLS_KEY"] + "\n" + os.environ["TLS_CERT"])
        file.flush()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file.name)
    return context


ports = {"plain": start(Handler), "old": start(OldHandler)}
if os.environ.get("TLS_CERT"):
    ports["tls"] = start(Handler, tls_context())
print(json.dumps(ports), flush=True)
