"""A lamp: takes commands from an MQTT broker, and settles each with an answer."""

import json
import os

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

LAMP = "lamp-7"


def answer(client, asked, body=b"", **words):
    """Says what became of a message: without words and body, that it is done."""
    properties = Properties(PacketTypes.PUBLISH)
    properties.CorrelationData = asked.CorrelationData
    properties.UserProperty = [(f"photinus-{word}", text) for word, text in words.items()]
    client.publish(asked.ResponseTopic, body, qos=1, properties=properties)


def obey(client, _, message):
    command, asked = json.loads(message.payload)["set"], message.properties
    attempt = dict(asked.UserProperty)["photinus-attempt"]
    if command not in ("on", "off", "dim"):
        said = "set aside"
        answer(client, asked, outcome="nack", action="park", reason="this lamp is white")
    elif command == "dim" and attempt == "1":
        said = "again in a second"
        answer(client, asked, outcome="nack", delay="1s", reason="it is still cold")
    else:
        said = "done"
        # A body is published as a reply: a message of its own, with the cid of this one.
        answer(client, asked, json.dumps({"lamp": LAMP, "is": command}), topic="lamps")
    print(f"{command}: {said}", flush=True)


def subscribe(client, *_):
    client.subscribe(f"lamps/{LAMP}/commands", qos=1)


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=LAMP, protocol=mqtt.MQTTv5)
client.on_connect = subscribe
client.on_subscribe = lambda *_: print("waiting for commands", flush=True)
client.on_message = obey
# The broker keeps what comes for it while it is away.
kept = Properties(PacketTypes.CONNECT)
kept.SessionExpiryInterval = 3600
port = int(os.environ.get("MQTT_PORT", "1883"))
client.connect("127.0.0.1", port, clean_start=False, properties=kept)
client.loop_forever()
