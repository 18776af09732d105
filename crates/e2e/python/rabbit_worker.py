"""A worker of RabbitMQ, as people write it with pika: it takes the messages of a queue, answers each to its `reply_to`,
connects again when the connection is lost, and prints the sequence and the event id of each as a line."""

import sys
import time

import pika

url, queue = sys.argv[1], sys.argv[2]


def work(channel, method, properties, body):
    print(properties.headers["photinus-sequence"], properties.message_id, flush=True)
    if properties.reply_to:
        answer = pika.BasicProperties(correlation_id=properties.correlation_id)
        channel.basic_publish("", properties.reply_to, b"", answer)
    channel.basic_ack(method.delivery_tag)


while True:
    try:
        connection = pika.BlockingConnection(pika.URLParameters(url))
        channel = connection.channel()
        channel.basic_qos(prefetch_count=200)
        channel.basic_consume(queue, work)
        channel.start_consuming()
    except (pika.exceptions.AMQPError, OSError):
        time.sleep(0.2)
