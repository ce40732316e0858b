// SPDX-License-Identifier: Apache-2.0
//
// What a test began and must end. Things end in the reverse of their order (clients before the gateway, the gateway before Redis),
// and each of them ends even if another's end failed: a process left behind would keep the run from finishing.

import { after } from 'node:test';

export class Scope {
  #undo = [];

  after(end) {
    this.#undo.push(end);
  }

  async end() {
    const errors = [];
    for (const end of this.#undo.splice(0).reverse()) {
      try {
        await end();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length) throw errors[0];
  }
}

const scopes = new WeakMap();

// Runs `end` when the test (or the scope) `owner` is over. Without an owner the caller ends it himself.
export function atEnd(owner, end) {
  if (!owner) return;
  if (owner instanceof Scope) return owner.after(end);
  let scope = scopes.get(owner);
  if (!scope) {
    scopes.set(owner, (scope = new Scope()));
    owner.after(() => scope.end());
  }
  scope.after(end);
}

// The scope of a whole suite; called in the body of `describe`.
export function suiteScope() {
  const scope = new Scope();
  after(() => scope.end());
  return scope;
}
