// Random state: a seed and a count of draws. Every draw is keyed by both, so it can be computed again,
// in any order and on any device, with the same result.

import { ValueError } from '../base/errors.js'
import type { Node } from '../ir/node.js'
import { modes } from './modes.js'
import { Draw, HostScalar, slotNode } from './value.js'

/** Where random numbers stand. Plain numbers, so that it can be kept as JSON. */
export interface RandomState {
  readonly seed: number
  /** How many draws there have been since the seed was set. */
  readonly draws: number
}

const state = { seed: 0, draws: 0 }

/**
 * Starts the random numbers anew from `seed` (any integer; its low 32 bits are used). Mirrors
 * `torch.manual_seed`.
 *
 * @throws ValueError for what is no integer.
 */
export function manualSeed(seed: number): void {
  if (!Number.isInteger(seed)) throw new ValueError('manualSeed', 'an integer', show(seed))
  state.seed = seed | 0
  state.draws = 0
}

/**
 * Where random numbers stand: what a checkpoint keeps, so that training goes on with the very numbers it would
 * have drawn. Mirrors `torch.get_rng_state`.
 */
export const randomState = (): RandomState => ({ ...state })

/**
 * Goes on with random numbers from where `randomState` found them. Mirrors `torch.set_rng_state`.
 *
 * @throws ValueError for what is no such state.
 */
export function setRandomState(next: RandomState): void {
  // Whoever calls from JavaScript may pass anything.
  if (!(Number.isInteger(next?.seed) && Number.isSafeInteger(next?.draws) && next.draws >= 0)) {
    throw new ValueError(
      'setRandomState',
      'a state as randomState gives it, { seed, draws }',
      typeof next === 'object' && next !== null
        ? `{ seed: ${show(next.seed)}, draws: ${show(next.draws)} }`
        : show(next),
    )
  }
  state.seed = next.seed | 0
  state.draws = next.draws
}

/** Numbers as they are, and of other values the kind: not all of them can be printed. */
const show = (x: unknown): string => (typeof x === 'number' || x === null ? String(x) : typeof x)

/** Takes `count` draws; answers the number of the first. */
export function takeDraws(count: number): number {
  const first = state.draws
  state.draws += count
  return first
}

/** A draw that a session numbers anew in each run, in the order in which draws were recorded. */
function drawInGraph(graph: number): readonly [seed: Node, draw: Node] {
  const seed = slotNode(new HostScalar(() => state.seed), 'int32')
  const draw = slotNode(new Draw(0), 'int32')
  seed.graph = graph
  draw.graph = graph
  return [seed, draw]
}

/**
 * The key of the next draw: two int32 scalars for `randomBits`. `beside` is the tensor that is drawn
 * for, where there is one: a draw for a tensor of a static graph is made anew in each run.
 */
export function nextDraw(beside: Node | null = null): readonly [seed: Node, draw: Node] {
  const graph = beside !== null && beside.graph !== 0 ? beside.graph : modes.graph
  if (graph !== 0) return drawInGraph(graph)
  const { trace } = modes
  if (trace !== null) {
    const seed = slotNode(new HostScalar(() => state.seed), 'int32')
    const draw = slotNode(new Draw(trace.draws++), 'int32')
    return [seed, draw]
  }
  return [slotNode(state.seed, 'int32'), slotNode(takeDraws(1), 'int32')]
}
