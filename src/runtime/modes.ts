// The modes that decide how calls are recorded: gradients on or off, and the trace in progress.

import type { Trace } from './trace.js'

export const modes: {
  gradEnabled: boolean
  trace: Trace | null
  strictTypes: boolean
  graph: number
  readonly strictGraphs: Set<number>
} = {
  gradEnabled: true,
  trace: null,
  /** Mixed dtypes are an error instead of being promoted, as TensorFlow has it in graphs. */
  strictTypes: false,
  /** The static graph that random draws are recorded for, by its number; 0 for none. */
  graph: 0,
  /** The static graphs whose operands may not mix dtypes, whatever `strictTypes` says. */
  strictGraphs: new Set(),
}

/** Runs `fn` with gradients recorded or not, and restores the mode even if it throws. */
export function withGrad<T>(enabled: boolean, fn: () => T): T {
  const before = modes.gradEnabled
  modes.gradEnabled = enabled
  try {
    return fn()
  } finally {
    modes.gradEnabled = before
  }
}
