"""An application of RabbitMQ, as people write it with pika: it does what it is told on standard input, a JSON object a
line, and answers each with a line."""

import base64
import json
import sys

import pika


def shown(method, properties, body):
    if method is None:
        return None
    named = {
        name: getattr(properties, name)
        for name in (
            "content_type", "delivery_mode", "priority", "correlation_id", "reply_to", "expiration", "message_id",
            "timestamp", "type", "app_id",
        )
    }
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = None
    return {
        "exchange": method.exchange,
        "key": method.routing_key,
        "redelivered": method.redelivered,
        "tag": method.delivery_tag,
        "properties": named,
        "headers": properties.headers or {},
        "body": text,
        "base64": base64.b64encode(body).decode(),
    }


class Application:
    def __init__(self, url):
        self.url = url
        self.connect()

    def connect(self):
        self.connection = pika.BlockingConnection(pika.URLParameters(self.url))
        self.channel = self.connection.channel()

    def exchange(self, name, type="topic"):
        self.channel.exchange_declare(name, type, durable=True)

    def delete_exchange(self, name):
        self.channel.exchange_delete(name)

    def queue(self, name, arguments=None):
        self.channel.queue_declare(name, durable=True, arguments=arguments)

    def delete_queue(self, name):
        self.channel.queue_delete(name)

    def purge(self, name):
        self.channel.queue_purge(name)

    def count(self, name):
        return self.channel.queue_declare(name, passive=True).method.message_count

    def bind(self, queue, exchange, key="#"):
        self.channel.queue_bind(queue, exchange, key)

    def get(self, queue):
        return shown(*self.channel.basic_get(queue, auto_ack=True))

    def drain(self, queue):
        """The sequence and the event id of all messages of a queue, in order."""
        seen = []
        while True:
            method, properties, _ = self.channel.basic_get(queue, auto_ack=True)
            if method is None:
                return seen
            seen.append([properties.headers["photinus-sequence"], properties.message_id])

    def publish(self, exchange, key, body=None, b64=None, properties=None):
        body = base64.b64decode(b64) if b64 is not None else body.encode()
        self.channel.basic_publish(exchange, key, body, pika.BasicProperties(**(properties or {})))

    def answer(self, to, headers=None, body="", content_type=None):
        """Answers a message, as a worker does that gets `reply_to` and `correlation_id`."""
        properties = pika.BasicProperties(
            correlation_id=to["properties"]["correlation_id"], headers=headers, content_type=content_type
        )
        self.channel.basic_publish("", to["properties"]["reply_to"], body.encode(), properties)


application = Application(sys.argv[1])
for line in sys.stdin:
    told = json.loads(line)
    verb = told.pop("do")
    try:
        answer = {"ok": getattr(application, verb)(**told)}
    except Exception as error:  # The connection may be gone: the next thing is tried on a new one.
        answer = {"error": repr(error)}
        if verb != "connect":
            try:
                application.connect()
            except Exception:
                pass
    print(json.dumps(answer, default=str), flush=True)
