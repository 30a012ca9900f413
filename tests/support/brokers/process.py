"""Programs that listen on a port of this machine."""

import os
import socket
import subprocess
import time


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


started: list = []


def stop_all() -> None:
    """Ends what is still there, whatever became of the part that has started it."""
    while started:
        started.pop().stop()


class Program:
    """Started, and listening on `port`."""

    def __init__(self, command: list, port: int, env: dict | None = None, folder: str | None = None) -> None:
        self.log = open(os.path.join(folder or ".", f"{port}.log"), "wb+")
        self.child = subprocess.Popen(
            command,
            env={**os.environ, **(env or {})},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        started.append(self)
        until(lambda: self.listens(port))

    def listens(self, port: int) -> bool:
        if self.child.poll() is not None:
            self.log.seek(0)
            raise RuntimeError(self.log.read().decode(errors="replace")[-2000:])
        with socket.socket() as sock:
            sock.settimeout(1)
            return sock.connect_ex(("127.0.0.1", port)) == 0

    def stop(self) -> None:
        if self.child.poll() is None:
            self.child.terminate()
        try:
            self.child.wait(5)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        self.log.close()


def until(condition, seconds: float = 60):
    """The condition's first value that is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise TimeoutError(f"not within {seconds} s")
