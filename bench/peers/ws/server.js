// SPDX-License-Identifier: Apache-2.0
//
// The benchmark's server on npm's ws: server.js [--redis PORT]
// As its users write it: a set of sockets for each topic, one send() of a string made once.
import { createServer } from "node:http";
import { createClient } from "@redis/client";
import { WebSocketServer } from "ws";

const redisPort = process.argv[2] === "--redis" ? Number(process.argv[3]) : 0;
const topics = new Map();

function deliver(topic, data) {
  const frame = Buffer.from(`{"type":"msg","topic":"${topic}","data":${data}}`);
  for (const socket of topics.get(topic) ?? []) {
    socket.send(frame, { binary: false });
  }
}

let subscriber;
if (redisPort) {
  subscriber = createClient({ socket: { host: "127.0.0.1", port: redisPort } });
  await subscriber.connect();
}

async function subscribe(socket, topic) {
  if (!topics.has(topic)) {
    topics.set(topic, new Set());
    if (subscriber) {
      await subscriber.subscribe(topic, (data) => deliver(topic, data));
    }
  }
  topics.get(topic).add(socket);
}

const server = createServer();
const sockets = new WebSocketServer({ server, perMessageDeflate: false });
sockets.on("connection", async (socket, request) => {
  const wanted = new URL(request.url, "http://bench").searchParams.getAll("topic");
  socket.on("close", () => wanted.forEach((topic) => topics.get(topic)?.delete(socket)));
  socket.on("error", () => socket.terminate());
  socket.on("message", (text) => {
    // The payload's bytes are cut out, not printed anew, as by the others.
    const frame = text.toString();
    const { topic } = JSON.parse(frame);
    deliver(topic, frame.slice(frame.indexOf('"data":') + 7, -1));
  });
  socket.send('{"type":"welcome"}');
  await Promise.all(wanted.map((topic) => subscribe(socket, topic)));
  if (wanted.length) {
    socket.send('{"type":"subscribed","done":true}');
  }
});
server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => {
  console.log(`ready port=${server.address().port}`);
});
