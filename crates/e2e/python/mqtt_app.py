"""An application of an MQTT broker, as people write it with paho: it subscribes to a topic filter, prints each message as
a line, and does what it is told on standard input, a JSON object a line."""

import base64
import json
import sys

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

told = json.loads(sys.argv[1])
version = mqtt.MQTTv5 if told.get("version", 5) == 5 else mqtt.MQTTv311
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=told["id"], protocol=version)
if version == mqtt.MQTTv5:
    kept = Properties(PacketTypes.CONNECT)
    kept.SessionExpiryInterval = 3600
    connect = {"clean_start": False, "properties": kept}
else:
    connect = {}
if told.get("user"):
    client.username_pw_set(told["user"], told["password"])
# What the broker hands over is not limited by what is not acknowledged yet.
client.max_inflight_messages_set(0)


def answer(message, words, body):
    properties = Properties(PacketTypes.PUBLISH)
    properties.CorrelationData = message.properties.CorrelationData
    properties.UserProperty = list(words.items())
    client.publish(message.properties.ResponseTopic, body, qos=1, properties=properties)


def on_message(client, _, message):
    properties = message.properties
    words = dict(getattr(properties, "UserProperty", [])) if properties else {}
    if told.get("brief"):
        print(words["photinus-sequence"], words["photinus-event"], flush=True)
    else:
        try:
            text = message.payload.decode()
        except UnicodeDecodeError:
            text = None
        print(json.dumps({
            "topic": message.topic,
            "qos": message.qos,
            "retain": message.retain,
            "words": words,
            "content_type": getattr(properties, "ContentType", None),
            "expiry": getattr(properties, "MessageExpiryInterval", None),
            "response_topic": getattr(properties, "ResponseTopic", None),
            "body": text,
            "base64": base64.b64encode(message.payload).decode(),
        }), flush=True)
    if told.get("answers") is not None and getattr(properties, "ResponseTopic", None):
        plan = told["answers"]
        said = plan.pop(0) if plan else {}
        if said is not None:
            answer(message, said.get("words", {}), said.get("body", ""))


def on_connect(client, userdata, flags, reason, properties):
    if told.get("filter"):
        client.subscribe(told["filter"], qos=told.get("qos", 2))
    else:
        print("ready", flush=True)


client.on_message = on_message
client.on_connect = on_connect
client.on_subscribe = lambda *_: print("ready", flush=True)
client.reconnect_delay_set(min_delay=1, max_delay=1)
client.connect("127.0.0.1", told["port"], **connect)
client.loop_start()
for line in sys.stdin:
    publish = json.loads(line)
    body = base64.b64decode(publish["base64"]) if "base64" in publish else publish["body"].encode()
    client.publish(publish["topic"], body, qos=publish.get("qos", 1)).wait_for_publish()
    print("published", flush=True)
