// SPDX-License-Identifier: Apache-2.0
//
// The benchmark's server on Socket.IO: server.js [--redis PORT]
// With --redis rooms reach over nodes by the Redis adapter.
import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "@redis/client";
import { Server } from "socket.io";

const redisPort = process.argv[2] === "--redis" ? Number(process.argv[3]) : 0;
const server = createServer();
const io = new Server(server, { transports: ["websocket"], serveClient: false });

if (redisPort) {
  const publisher = createClient({ socket: { host: "127.0.0.1", port: redisPort } });
  const subscriber = publisher.duplicate();
  await Promise.all([publisher.connect(), subscriber.connect()]);
  io.adapter(createAdapter(publisher, subscriber));
}

io.on("connection", (socket) => {
  socket.join((socket.handshake.query.topic ?? "").split(",").filter(Boolean));
  socket.on("publish", (topic, data) => io.to(topic).emit("msg", { topic, data }));
  socket.emit("ready");
});
server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => {
  console.log(`ready port=${server.address().port}`);
});
