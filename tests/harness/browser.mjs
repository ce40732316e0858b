// SPDX-License-Identifier: Apache-2.0
//
// The browser of this machine, if it has one.

import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

const CHROMIUM = process.env.SPILLWAY_CHROMIUM || '/usr/bin/chromium';

// Why its tests are left out, or false.
export const skip = existsSync(CHROMIUM) ? false : 'no chromium on this machine (SPILLWAY_CHROMIUM names one)';

export const launch = () =>
  chromium.launch({
    executablePath: CHROMIUM,
    args: [
      '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync',
    ],
  });
