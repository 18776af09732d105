"""A receiver's check of webhooks, as the official library of Standard Webhooks does it: takes a JSON list of
`{secret, headers, body}` on standard input, and prints a list of what it raised, or null where it was content."""

import json
import sys

from standardwebhooks import Webhook


def verdict(case):
    try:
        Webhook(case["secret"]).verify(case["body"], case["headers"])
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


print(json.dumps([verdict(case) for case in json.load(sys.stdin)]))
