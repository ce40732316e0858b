// SPDX-License-Identifier: Apache-2.0
//
// Worker threads that answer questions: `{id, what, with}` goes to each, `{id, result}` or `{id, error}` comes back.

import { parentPort, Worker } from 'node:worker_threads';
import { atEnd } from './scope.mjs';
import { within } from './until.mjs';

export class Threads {
  #asked = 0;

  // One thread of the program `url` for each item of `orders`.
  constructor(t, url, orders) {
    this.workers = orders.map((workerData) => new Worker(url, { workerData }));
    atEnd(t, () => this.end());
  }

  end() {
    return Promise.all(this.workers.map((worker) => worker.terminate()));
  }

  // Asks every thread, and returns their answers.
  ask(what, { ms = 30000, argument } = {}) {
    const id = ++this.#asked;
    const answers = this.workers.map(
      (worker) =>
        new Promise((resolve, reject) => {
          const settle = () => {
            worker.off('message', onMessage);
            worker.off('error', onError);
          };
          const onError = (error) => {
            settle();
            reject(error);
          };
          const onMessage = (answer) => {
            if (answer.id !== id) return;
            settle();
            if (answer.error) reject(new Error(answer.error));
            else resolve(answer.result);
          };
          worker.on('message', onMessage);
          worker.on('error', onError);
          worker.postMessage({ id, what, argument });
        }),
    );
    return within(Promise.all(answers), ms, `the answer of the threads to ${what}`);
  }
}

// In a thread: answers by these functions. What they return is passed on, so it must be plain data.
export function answerWith(commands) {
  parentPort.on('message', async ({ id, what, argument }) => {
    try {
      parentPort.postMessage({ id, result: await commands[what](argument) });
    } catch (error) {
      parentPort.postMessage({ id, error: `${what}: ${error.stack}` });
    }
  });
}
