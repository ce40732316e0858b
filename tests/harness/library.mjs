// SPDX-License-Identifier: Apache-2.0
//
// The function library on a Redis of the test's own, and the one judgement of positions that rests on what it keeps.

import { readFileSync } from 'node:fs';
import { Redis } from './redis.mjs';
import { until } from './until.mjs';

export const source = readFileSync(new URL('../../deploy/redis/spillway.lua', import.meta.url));

// A replica begins at once.
const eager = ['--repl-diskless-sync-delay', '0'];

const text = (reply) => (reply === null ? undefined : reply.toString());

// One server with the library, and what a test does with one topic of it.
export class Library {
  constructor(server, client, topic) {
    this.server = server;
    this.client = client;
    this.topic = topic;
    this.meta = `{${topic}}:m`;
    this.stream = `{${topic}}:h`;
  }

  static async start(t, { topic = 'orders.eu', args = [] } = {}) {
    const server = await Redis.start(t, [...eager, ...args]);
    const library = new Library(server, await server.client(t), topic);
    await library.load();
    return library;
  }

  // A replica of another; what it has is complete when this returns.
  static async replica(t, of) {
    const server = await Redis.start(t, eager);
    const library = new Library(server, await server.client(t), of.topic);
    await library.follow(of);
    return library;
  }

  load() {
    return this.command('FUNCTION', 'LOAD', 'REPLACE', source);
  }
  command(...args) {
    return this.client.command(...args);
  }
  async restart(t, how = 'kill') {
    await this.server[how]();
    await this.server.start();
    this.client = await this.server.client(t);
  }

  // The position, or null.
  async publish(payload, ...options) {
    return text(await this.command('FCALL', 'spillway_publish', 1, this.topic, payload, ...options)) ?? null;
  }
  async publishAll(...payloads) {
    const positions = [];
    for (const payload of payloads) positions.push(await this.publish(payload));
    return positions;
  }

  async kept() {
    const entries = await this.command('XRANGE', this.stream, '-', '+');
    return entries.map(([id, [field, envelope]]) => ({ id: text(id), field: text(field), envelope: text(envelope) }));
  }
  // "1=a 2=b"
  async says() {
    return (await this.kept()).map(({ id, envelope }) => `${parseInt(id, 10)}=${envelope.split('\x1e').at(-1)}`).join(' ');
  }
  async metaFields() {
    const flat = (await this.command('HGETALL', this.meta)).map(text);
    return Object.fromEntries(flat.flatMap((name, i) => (i % 2 ? [] : [[name, flat[i + 1]]])));
  }

  // May who has seen `position` go on from there? As every node judges it.
  async holds(position) {
    const [epoch, offset] = position.split(':');
    const { e, o = 0, l = '' } = await this.metaFields();
    const ends = Object.fromEntries(l.split(' ').filter(Boolean).map((end) => end.split('=')));
    if (epoch === e) return Number(offset) <= Number(o);
    return epoch in ends && Number(offset) <= Number(ends[epoch]);
  }

  // Until every write of `other` up to now is here.
  async follow(other) {
    await this.command('REPLICAOF', '127.0.0.1', other.server.port);
    const linked = async () => text(await this.command('INFO', 'replication')).includes('master_link_status:up');
    await until(linked, 10000, 'the link to the master');
    await other.command('WAIT', 1, 5000);
  }
  promote() {
    return this.command('REPLICAOF', 'NO', 'ONE');
  }
}
