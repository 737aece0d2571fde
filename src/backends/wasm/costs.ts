// What work costs in WebAssembly, and when threads are worth their trouble.

import type { Costs } from '../segments.js'

export const COSTS: Costs = {
  flops: 20,
  bytes: 10,
  chunk: 20,
  worthSharing: 3_000,
  draw: 3_000,
  segment: Number.POSITIVE_INFINITY,
  worthTelling: 6_000,
  worthWaking: 50_000,
}
