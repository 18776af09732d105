"""Packs orders: takes them from a queue of RabbitMQ, and settles each with an answer."""

import json
import os

import pika

QUEUE = "orders"


def answer(channel, asked, body=b"", **words):
    """Says what became of a message: without words and body, that it is done."""
    channel.basic_publish("", asked.reply_to, body, pika.BasicProperties(
        correlation_id=asked.correlation_id,
        headers={f"photinus-{word}": text for word, text in words.items()},
    ))


def pack(channel, method, asked, body):
    order = json.loads(body)
    if order["pieces"] == 0:
        said = "set aside"
        answer(channel, asked, outcome="nack", action="park", reason="there is nothing to pack")
    elif order.get("fragile") and asked.headers["photinus-attempt"] == 1:
        said = "again in a second"
        answer(channel, asked, outcome="nack", delay="1s", reason="somebody fetches padding")
    else:
        said = "packed"
        # A body is published as a reply: a message of its own, with the cid of this one.
        answer(channel, asked, json.dumps({"order": order["id"], "is": "packed"}).encode(), topic="packed")
    # Only now: if this worker dies before, RabbitMQ gives the message to the next one.
    channel.basic_ack(method.delivery_tag)
    print(f"order {order['id']}: {said}", flush=True)


url = os.environ.get("AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/%2f")
channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
channel.queue_declare(QUEUE, durable=True)
channel.basic_consume(QUEUE, pack)
print("waiting for orders", flush=True)
channel.start_consuming()
