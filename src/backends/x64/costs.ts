// What work costs in machine code, and when threads are worth their trouble.

import type { Costs } from '../segments.js'

export const COSTS: Costs = {
  flops: 60,
  bytes: 12,
  chunk: 3,
  worthSharing: 2_000,
  draw: 2_000,
  segment: 8_000_000,
  worthTelling: 3_000,
  worthWaking: 30_000,
}
