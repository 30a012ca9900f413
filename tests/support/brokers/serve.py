"""Starts a part that deliveries go to, and answers a test's questions about it.

Usage: serve.py KIND. It writes a JSON object with the part's address and credentials on one line, then reads a JSON
object a line ({"op": …}) and answers each with one: {"ok": …} or {"error": …}. It ends, with all that it has started,
when its standard input does, or when it is asked to (SIGTERM).
"""

import json
import signal
import sys
import tempfile

import aws
import kafka
import process
import pubsub

PARTS = {
    "sqs": aws.ministack,
    "moto": aws.moto,
    "pubsub": pubsub.emulator,
    "noida": kafka.noida,
    "tansu": kafka.tansu,
    "librdkafka": kafka.librdkafka,
    "kafka": kafka.named,
}


def main() -> None:
    # Ours alone: what a part prints must not stand between the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory() as folder:
        try:
            part = PARTS[sys.argv[1]](folder)
            print(json.dumps(part.about), file=answers, flush=True)
            for line in sys.stdin:
                print(json.dumps(answer(part, json.loads(line))), file=answers, flush=True)
            part.stop()
        finally:
            process.stop_all()


def answer(part, question: dict) -> dict:
    try:
        return {"ok": getattr(part, "do_" + question.pop("op"))(**question)}
    except Exception as error:  # A test wants to see whatever it was.
        return {"error": f"{type(error).__name__}: {error}"}


main()
