// A receiver of the signals that an output of the kind `http` posts. It checks the signature (Standard Webhooks) and
// answers with the acknowledgement. Node.js 18 or newer, nothing else.
//
// GRIDBELL_SECRETS="whsec_…" node receiver.mjs 8080      two secrets, separated by a space, while you rotate them

import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const decoded = (secret) => Buffer.from(secret.replace(/^whsec_/, ""), "base64");
const secrets = process.env.GRIDBELL_SECRETS.split(" ").map(decoded);
const TOLERANCE_S = 300;
const MOST_BYTES = 1_048_576;

/** Whether one of the signatures is that of one of the secrets, and the message was sent in the last five minutes. */
function isAuthentic(headers, body) {
  const sentAt = headers["webhook-timestamp"] ?? "";
  if (!/^\d+$/.test(sentAt) || Math.abs(Date.now() / 1000 - Number(sentAt)) > TOLERANCE_S) return false;
  const signed = Buffer.concat([Buffer.from(`${headers["webhook-id"] ?? ""}.${sentAt}.`), body]);
  const hmac = (secret) => createHmac("sha256", secret).update(signed).digest("base64");
  const made = secrets.map((secret) => Buffer.from(`v1,${hmac(secret)}`));
  const given = (headers["webhook-signature"] ?? "").split(" ").map((text) => Buffer.from(text));
  const isSame = (one) => made.some((other) => one.length === other.length && timingSafeEqual(one, other));
  return given.some(isSame);
}

/** Acts on a signal, and stores that before the answer. The same signal may come again: `controller.mts` shows how to act
 * once, and by the clock. */
function handle(signal) {
  if (typeof signal?.data !== "object") throw new TypeError("it has no data");
  console.log(`${signal.type} ${signal.id}`);
  return "dispatch" in signal.data ? { state: "accepted" } : {};
}

const server = createServer(async (request, response) => {
  const answer = (status, said) => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(said));
  };
  if (request.method !== "POST") return answer(405, { error: "only POST" });
  const chunks = [];
  let bytes = 0;
  try {
    for await (const chunk of request) {
      bytes += chunk.length;
      if (bytes > MOST_BYTES) return answer(413, { error: "the body is too large" });
      chunks.push(chunk);
    }
    const body = Buffer.concat(chunks);
    if (!isAuthentic(request.headers, body)) {
      return answer(401, { error: "the signature is wrong, or the message is old" });
    }
    answer(200, handle(JSON.parse(body.toString("utf8"))));
  } catch (error) {
    answer(400, { error: `this is no signal: ${error.message}` });
  }
});

server.listen(Number(process.argv[2]), "127.0.0.1", () => console.log(`listens on ${server.address().port}`));
