// Random state: a seed and a count of draws. Every draw is keyed by both, so it can be computed again,
// in any order and on any device, with the same result.

import type { Node } from '../ir/node.js'
import { modes } from './modes.js'
import { Draw, HostScalar, slotNode } from './value.js'

const state = { seed: 0, draws: 0 }

/**
 * Starts the random numbers anew from `seed` (any integer; its low 32 bits are used). Mirrors
 * `torch.manual_seed`.
 */
export function manualSeed(seed: number): void {
  state.seed = seed | 0
  state.draws = 0
}

export const randomState = (): { seed: number; draws: number } => ({ ...state })
export function setRandomState(next: { seed: number; draws: number }): void {
  state.seed = next.seed | 0
  state.draws = next.draws
}

/** Takes `count` draws; answers the number of the first. */
export function takeDraws(count: number): number {
  const first = state.draws
  state.draws += count
  return first
}

/** The key of the next draw: two int32 scalars for `randomBits`. */
export function nextDraw(): readonly [seed: Node, draw: Node] {
  const { trace } = modes
  if (trace !== null) {
    const seed = slotNode(new HostScalar(() => state.seed), 'int32')
    const draw = slotNode(new Draw(trace.draws++), 'int32')
    return [seed, draw]
  }
  return [slotNode(state.seed, 'int32'), slotNode(takeDraws(1), 'int32')]
}
