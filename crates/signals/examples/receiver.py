"""A receiver of the signals that an output of the kind `http` posts. It checks the signature (Standard Webhooks) and
answers with the acknowledgement. Python 3.11, nothing else.

GRIDBELL_SECRETS="whsec_…" python3 receiver.py 8080      two secrets, separated by a space, while you rotate them
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRETS = [base64.b64decode(secret.removeprefix("whsec_")) for secret in os.environ["GRIDBELL_SECRETS"].split()]
TOLERANCE_S = 300
MOST_BYTES = 1_048_576


def is_authentic(headers, body: bytes) -> bool:
    """Whether one of the signatures is that of one of the secrets, and the message is at most five minutes old."""
    sent_at = headers.get("webhook-timestamp", "")
    if not sent_at.isascii() or not sent_at.isdigit() or abs(time.time() - int(sent_at)) > TOLERANCE_S:
        return False
    signed = f"{headers.get('webhook-id', '')}.{sent_at}.".encode() + body
    made = [b"v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)) for secret in SECRETS]
    given = headers.get("webhook-signature", "").encode().split()
    # All are compared, each in constant time.
    return any([hmac.compare_digest(one, other) for one in made for other in given])


def handle(signal: dict) -> dict:
    """Acts on a signal, and stores that before the answer. The same signal may come again: `controller.py` shows how to
    act once, and by the clock."""
    print(f"{signal['type']} {signal['id']}", flush=True)
    return {"state": "accepted"} if "dispatch" in signal["data"] else {}


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        length = self.headers.get("content-length", "")
        if not length.isdigit() or int(length) > MOST_BYTES:
            return self.answer(413, {"error": "the body is too large, or its length is not known"})
        body = self.rfile.read(int(length))
        if not is_authentic(self.headers, body):
            return self.answer(401, {"error": "the signature is wrong, or the message is old"})
        try:
            self.answer(200, handle(json.loads(body)))
        except (ValueError, LookupError, TypeError) as error:
            self.answer(400, {"error": f"this is no signal: {error}"})

    def answer(self, status: int, said: dict) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_) -> None:
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver)
    print(f"listens on {server.server_port}", flush=True)
    server.serve_forever()
