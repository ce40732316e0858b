// SPDX-License-Identifier: Apache-2.0
// What the checks that read C have in common: the list of files, code without comments and strings, and
// findings that decide the exit status.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
process.chdir(join(here, "../.."));

export function files(pattern) {
  const output = execFileSync(join(here, "files"), [pattern], { encoding: "utf8", maxBuffer: 1 << 26 });
  return output.split("\n").filter(Boolean);
}

export function lines(path) {
  const text = readFileSync(path, "utf8");
  return (text.endsWith("\n") ? text.slice(0, -1) : text).split("\n");
}

// The same lines with comments, strings and character constants blanked out.
export function codeLines(path) {
  const text = readFileSync(path, "utf8");
  const token = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\[\s\S]|[^"\\\n])*"|'(?:\\[\s\S]|[^'\\\n])*'/g;
  return text.replace(token, (found) => found.replace(/[^\n]/g, " ")).split("\n");
}

let found = 0;

export function finding(text) {
  console.log(text);
  found += 1;
}

process.on("exit", (status) => {
  if (status === 0 && found > 0) {
    process.exitCode = 1;
  }
});
