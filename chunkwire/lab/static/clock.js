// The server's clock on this page's: the offset between the two, and how wrong it may be.

import { ask } from "./server.js";

const SAMPLES = 20;

/** The estimate: server milliseconds + offset = performance.now(), give or take `error`. */
export const clock = { offset: 0, error: Infinity, samples: 0 };

/**
 * Measure again. The server read its clock after this page asked and before it had the answer, so each round trip
 * bounds the offset from both sides; all bounds hold together, whatever part of a trip's time each direction took.
 */
export async function measureClock() {
  let low = -Infinity, high = Infinity;
  for (let n = 0; n < SAMPLES; n++) {
    const sent = performance.now();
    const { now } = await (await ask("lab/clock")).json();
    low = Math.max(low, sent - now * 1000);
    high = Math.min(high, performance.now() - now * 1000);
  }
  Object.assign(clock, { offset: (low + high) / 2, error: (high - low) / 2, samples: SAMPLES });
}

/** A moment of the server, in s, on this page's clock, in ms. */
export const onPage = (at) => at * 1000 + clock.offset;
