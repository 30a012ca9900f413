"""SQS and Lambda: ministack, which verifies signatures, and moto as a second opinion. boto3 is the independent client."""

import io
import json
import os
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
from process import Program, free_port, until

REGION = "us-east-1"
ALL = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
ASSUMED_BY_LAMBDA = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},'
    '"Action":"sts:AssumeRole"}]}'
)
FUNCTION = """import json, urllib.request
def handler(event, context):
    urllib.request.urlopen("%s", data=json.dumps(event).encode())
"""


class Aws:
    def __init__(
        self, program, endpoint: str, key: str, secret: str, token: str | None = None, region: str = REGION
    ) -> None:
        self.program = program
        self.kw = {"endpoint_url": endpoint, "region_name": region}
        self.about = {"endpoint": endpoint, "region": region, "accessKeyId": key, "secretAccessKey": secret}
        if token:
            self.about["sessionToken"] = token
        self.keys = {"aws_access_key_id": key, "aws_secret_access_key": secret, "aws_session_token": token}
        self.sqs = boto3.client("sqs", **self.keys, **self.kw)
        self.sink = None

    def do_queue(self, name: str, attributes: dict | None = None) -> str:
        return self.sqs.create_queue(QueueName=name, Attributes=attributes or {})["QueueUrl"]

    def do_delete(self, url: str) -> None:
        self.sqs.delete_queue(QueueUrl=url)

    def do_send(self, url: str, body: str, secret: str | None = None, more: dict | None = None) -> str:
        """Sends one with boto3; `more` is what SendMessage takes beside."""
        keys = {**self.keys, "aws_secret_access_key": secret} if secret else self.keys
        sqs = boto3.client("sqs", **keys, **self.kw)
        return sqs.send_message(QueueUrl=url, MessageBody=body, **(more or {}))["MessageId"]

    def do_receive(self, url: str, count: int) -> list:
        """Takes so many messages off the queue."""
        messages = []

        def enough() -> bool:
            answer = self.sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=10,
                MessageAttributeNames=["All"],
                AttributeNames=["All"],
                WaitTimeSeconds=1,
            )
            for message in answer.get("Messages", []):
                messages.append(message)
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            return len(messages) >= count

        until(enough, 20)
        return messages

    def do_function(self, name: str) -> None:
        """Makes a function that tells us its events."""
        self.sink = Sink()
        package = io.BytesIO()
        with zipfile.ZipFile(package, "w") as archive:
            archive.writestr("hook.py", FUNCTION % self.sink.url)
        iam = boto3.client("iam", **self.keys, **self.kw)
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=ASSUMED_BY_LAMBDA)["Role"]["Arn"]
        boto3.client("lambda", **self.keys, **self.kw).create_function(
            FunctionName=name,
            Runtime="python3.11",
            Role=role,
            Handler="hook.handler",
            Code={"ZipFile": package.getvalue()},
        )

    def do_events(self, count: int) -> list:
        until(lambda: len(self.sink.events) >= count, 30)
        return self.sink.events

    def stop(self) -> None:
        if self.sink:
            self.sink.server.shutdown()
        if self.program:
            self.program.stop()


class Sink:
    """Keeps what it gets."""

    def __init__(self) -> None:
        events = self.events = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                events.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_args) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def ministack(folder: str) -> Aws:
    """It verifies the signatures of a user's key, not those of the root's."""
    if endpoint := os.environ.get("SQS_TEST_ENDPOINT"):
        return named(endpoint)
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    env = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "AUTH": "true"}
    program = Program([script("ministack")], port, env, folder)
    iam = boto3.client(
        "iam",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        endpoint_url=endpoint,
        region_name=REGION,
    )
    iam.create_user(UserName="dispatcher")
    iam.put_user_policy(UserName="dispatcher", PolicyName="all", PolicyDocument=ALL)
    key = iam.create_access_key(UserName="dispatcher")["AccessKey"]
    return Aws(program, endpoint, key["AccessKeyId"], key["SecretAccessKey"])


def moto(folder: str) -> Aws:
    port = free_port()
    program = Program([script("moto_server"), "-H", "127.0.0.1", "-p", str(port)], port, folder=folder)
    return Aws(program, f"http://127.0.0.1:{port}", "AKIDEXAMPLE", "a-secret-for-tests", "a-session-token")


def named(endpoint: str) -> Aws:
    """Somebody's own, with the usual variables."""
    env = os.environ
    region = env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or REGION
    token = env.get("AWS_SESSION_TOKEN")
    return Aws(None, endpoint, env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], token, region)


def script(name: str) -> str:
    return os.path.join(os.path.dirname(sys.executable), name)
