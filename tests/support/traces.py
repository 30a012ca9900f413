"""Reads exports of traces by OpenTelemetry's own definitions, strictly.

Standard input: a JSON list of bodies of requests, as texts. Standard output: a JSON list of their spans, flat.
"""

import base64
import json
import re
import sys

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status


def checked(value, key=None):
    """What JSON for OTLP has and other JSON for Protobuf has not: ids are hex, names in camel case, enums numbers."""
    if isinstance(value, dict):
        assert all(re.fullmatch("[a-z][a-zA-Z]*", name) for name in value), value.keys()
        return {name: checked(member, name) for name, member in value.items()}
    if isinstance(value, list):
        return [checked(member, key) for member in value]
    if key in ("traceId", "spanId", "parentSpanId"):
        assert re.fullmatch("[0-9a-f]{32}" if key == "traceId" else "[0-9a-f]{16}", value), (key, value)
        return base64.b64encode(bytes.fromhex(value)).decode()
    if key in ("intValue", "startTimeUnixNano", "endTimeUnixNano"):
        assert isinstance(value, str), (key, value)
    if key in ("kind", "code"):
        assert isinstance(value, int), (key, value)
    return value


def plain(attributes):
    names = [attribute.key for attribute in attributes]
    assert len(set(names)) == len(names), names
    return {
        attribute.key: getattr(attribute.value, attribute.value.WhichOneof("value")) for attribute in attributes
    }


def spans(body):
    # Fields that are not known fail.
    request = json_format.ParseDict(checked(json.loads(body)), ExportTraceServiceRequest())
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                yield {
                    "resource": plain(resource_spans.resource.attributes),
                    "scope": scope_spans.scope.name,
                    "traceId": span.trace_id.hex(),
                    "spanId": span.span_id.hex(),
                    "parentSpanId": span.parent_span_id.hex(),
                    "flags": span.flags,
                    "name": span.name,
                    "kind": Span.SpanKind.Name(span.kind),
                    "startNs": str(span.start_time_unix_nano),
                    "endNs": str(span.end_time_unix_nano),
                    "attributes": plain(span.attributes),
                    "links": [{"traceId": link.trace_id.hex(), "spanId": link.span_id.hex()} for link in span.links],
                    "status": Status.StatusCode.Name(span.status.code),
                    "message": span.status.message,
                }


json.dump([list(spans(body)) for body in json.load(sys.stdin)], sys.stdout)
