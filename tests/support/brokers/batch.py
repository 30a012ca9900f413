"""One record batch, byte by byte, since no client sends one whose checksum is wrong. Source: Kafka documentation,
"Record Batch" and the Produce API, version 3."""

import socket
import struct
import time

PRODUCE, VERSION = 0, 3


def produce(broker: str, topic: str, is_right: bool) -> int | str:
    """The error code (0: none, 2: CORRUPT_MESSAGE) that partition 0 answers, or "closed"."""
    host, port = broker.rsplit(":", 1)
    records = record_batch(b"one", is_right)
    name = topic.encode()
    body = struct.pack(">hhii", -1, -1, 10_000, 1)  # no transaction, acks=all, 10 s, one topic
    body += struct.pack(">h", len(name)) + name + struct.pack(">iii", 1, 0, len(records)) + records
    request = struct.pack(">hhih", PRODUCE, VERSION, 1, -1) + body
    with socket.create_connection((host, int(port)), 10) as sock, sock.makefile("rb") as answers:
        sock.sendall(struct.pack(">i", len(request)) + request)
        size = answers.read(4)
        if len(size) < 4:
            return "closed"
        answer = answers.read(struct.unpack(">i", size)[0])
    # Correlation, number of topics, the topic's name, number of partitions, partition.
    return struct.unpack_from(">h", answer, 4 + 4 + 2 + len(name) + 4 + 4)[0]


def record_batch(value: bytes, is_right: bool) -> bytes:
    record = bytes([0, 0, 0, 1]) + zigzag(len(value)) + value + zigzag(0)
    now = int(time.time() * 1000)
    summed = struct.pack(">hiqqqhii", 0, 0, now, now, -1, -1, -1, 1) + zigzag(len(record)) + record
    crc = crc32c(summed) ^ (0 if is_right else 1)
    rest = struct.pack(">ibI", -1, 2, crc) + summed
    return struct.pack(">qi", 0, len(rest)) + rest


def zigzag(number: int) -> bytes:
    """A varint of one byte: short lengths are all we have."""
    return bytes([number << 1])


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
