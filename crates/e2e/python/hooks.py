"""What schemathesis does not bring: how a body of lines is written and read."""

import json

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines(ctx, value):
    """One generated message is one line."""
    return json.dumps(value).encode("utf-8", "surrogatepass") + b"\n"


@schemathesis.deserializer("application/x-ndjson")
def first_line(ctx, response):
    """The document says what shape a line has; a body without one has nothing to check."""
    text = response.content.decode("utf-8")
    return json.loads(text.splitlines()[0]) if text else {"line": 1, "error": "none"}


@schemathesis.serializer("application/cloudevents+json")
@schemathesis.serializer("application/cloudevents-batch+json")
def json_body(ctx, value):
    """JSON with a name of its own."""
    return json.dumps(value).encode("utf-8", "surrogatepass")
