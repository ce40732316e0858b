// SPDX-License-Identifier: Apache-2.0
//
// Clients of this process (README.md): each is given a URL and `say(word, rest)`, and returns what obeys `send`, `ping` and `close`.
// What WHATWG's interface does not have (pings) is absent.

import { createRequire } from 'node:module';
import { WebSocket as Undici } from 'undici';
import { WebSocket as Ws } from 'ws';

const require = createRequire(import.meta.url);
const Faye = require('faye-websocket').Client;
const { client: WebSocketClient } = require('websocket');

const PROTOCOL = 'spillway.v1.json';

export function ws(url, say) {
  const socket = new Ws(url, PROTOCOL);
  socket.on('open', () => say('open'));
  socket.on('message', (data) => say('text', data.toString()));
  socket.on('pong', () => say('pong'));
  socket.on('close', (code) => say('closed', String(code)));
  socket.on('error', (error) => say('error', error.message));
  return { send: (text) => socket.send(text), ping: () => socket.ping('x'), close: () => socket.close(1000) };
}

function whatwg(socket, say) {
  socket.onopen = () => say('open');
  socket.onmessage = ({ data }) => say('text', data);
  socket.onclose = ({ code }) => say('closed', String(code));
  socket.onerror = ({ message, error }) => say('error', message ?? String(error));
  return { send: (text) => socket.send(text), close: () => socket.close(1000) };
}

export const undici = (url, say) => whatwg(new Undici(url, PROTOCOL), say);

export function faye(url, say) {
  const socket = new Faye(url, [PROTOCOL]);
  return { ...whatwg(socket, say), ping: () => socket.ping('x', () => say('pong')) };
}

export function websocket(url, say) {
  const client = new WebSocketClient();
  let connection;
  client.on('connectFailed', (error) => say('error', error.message));
  client.on('connect', (connected) => {
    connection = connected;
    connection.on('message', ({ utf8Data }) => say('text', utf8Data));
    connection.on('pong', () => say('pong'));
    connection.on('close', (code) => say('closed', String(code)));
    say('open');
  });
  client.connect(url, PROTOCOL);
  return { send: (text) => connection.sendUTF(text), ping: () => connection.ping('x'), close: () => connection.close(1000) };
}
