"""TLS and SASL before a broker that has neither: it answers SaslHandshake and SaslAuthenticate itself, with scramp, and
passes everything else on once a client is known. Source: Kafka protocol guide, "SASL Authentication Sequence"."""

import asyncio
import struct
import threading

import scramp

SASL_HANDSHAKE, API_VERSIONS, SASL_AUTHENTICATE = 17, 18, 36
MECHANISMS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
FAILED = 58


def start(outer: int, inner: int, tls, username: str, password: str):
    """Listens; returns what stops it."""
    loop = asyncio.new_event_loop()
    listening = threading.Event()

    async def serve() -> None:
        async def client(reader, writer) -> None:
            try:
                await Connection(reader, writer, inner, username, password).run()
            except (asyncio.IncompleteReadError, ConnectionError, OSError):
                pass
            finally:
                writer.close()

        await asyncio.start_server(client, "127.0.0.1", outer, ssl=tls)
        listening.set()

    threading.Thread(target=loop.run_forever, daemon=True).start()
    asyncio.run_coroutine_threadsafe(serve(), loop)
    if not listening.wait(10):
        raise TimeoutError("the front does not listen")
    return lambda: loop.call_soon_threadsafe(loop.stop)


class Connection:
    def __init__(self, reader, writer, inner: int, username: str, password: str) -> None:
        self.reader, self.writer, self.inner = reader, writer, inner
        self.username, self.password = username, password
        self.mechanism = self.scram = None
        self.is_known = False

    async def run(self) -> None:
        reader, broker = await asyncio.open_connection("127.0.0.1", self.inner)
        back = asyncio.create_task(pipe(reader, self.writer))
        try:
            while True:
                frame = await self.reader.readexactly(struct.unpack(">i", await self.reader.readexactly(4))[0])
                key, version, correlation = struct.unpack(">hhi", frame[:8])
                if key in (SASL_HANDSHAKE, SASL_AUTHENTICATE):
                    if not await self.sasl(key, version, correlation, after_client_id(frame)):
                        return
                elif self.is_known or key == API_VERSIONS:
                    broker.write(struct.pack(">i", len(frame)) + frame)
                    await broker.drain()
                else:
                    return
        finally:
            back.cancel()
            broker.close()

    async def sasl(self, key: int, version: int, correlation: int, body: bytes) -> bool:
        """Answers; says whether the connection goes on."""
        if key == SASL_HANDSHAKE:
            length = struct.unpack(">h", body[:2])[0]
            self.mechanism = body[2 : 2 + length].decode()
            error = 0 if self.mechanism in MECHANISMS else 33
            names = b"".join(text(name) for name in MECHANISMS)
            answer = struct.pack(">hi", error, len(MECHANISMS)) + names
        else:
            if version > 1:
                return False
            token = body[4 : 4 + struct.unpack(">i", body[:4])[0]]
            try:
                reply, error = self.step(token.decode()), 0
            except Exception:
                reply, error = b"", FAILED
            said = text("Authentication failed") if error else struct.pack(">h", -1)
            answer = struct.pack(">h", error) + said + struct.pack(">i", len(reply)) + reply
            answer += struct.pack(">q", 0) if version == 1 else b""
        answer = struct.pack(">i", correlation) + answer
        self.writer.write(struct.pack(">i", len(answer)) + answer)
        await self.writer.drain()
        return not error

    def step(self, token: str) -> bytes:
        if self.mechanism == "PLAIN":
            _, username, password = token.split("\0")
            if (username, password) != (self.username, self.password):
                raise ValueError("wrong")
            self.is_known = True
            return b""
        if self.scram is None:
            mechanism = scramp.ScramMechanism(self.mechanism)
            info = mechanism.make_auth_info(self.password, iteration_count=4096)
            self.scram = mechanism.make_server({self.username: info}.__getitem__)
            self.scram.set_client_first(token)
            return self.scram.get_server_first().encode()
        self.scram.set_client_final(token)
        self.is_known = True
        return self.scram.get_server_final().encode()


def after_client_id(frame: bytes) -> bytes:
    length = struct.unpack(">h", frame[8:10])[0]
    return frame[10 + max(length, 0) :]


def text(value: str) -> bytes:
    return struct.pack(">h", len(value)) + value.encode()


async def pipe(reader, writer) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
