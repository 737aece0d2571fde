// Running a plan that gives cells their next values.

import type { Executable } from '../backends/device.js'
import type { Storage } from '../backends/storage.js'
import type { Binding, Cell } from './value.js'

/** Whether the storage for a cell's next value has an array already, as it has after a first change. */
export const hasTarget = (cell: Cell | undefined): boolean => (cell?.back?.host ?? null) !== null

/** Tells for which outputs `runUpdating` will have such storages. */
export const supplied =
  (first: number, cells: readonly Cell[]) =>
  (output: number): boolean =>
    hasTarget(cells[output - first])

const NO_TARGETS: readonly null[] = []

/**
 * Runs a plan whose outputs from `first` on are the next values of `cells`, and moves these on. If it
 * fails, every cell keeps its value.
 *
 * @param count How many outputs the plan has.
 */
export function runUpdating(
  executable: Executable,
  inputs: readonly Binding[],
  count: number,
  first: number,
  cells: readonly Cell[],
): Storage[] {
  if (cells.length === 0) return executable.run(inputs, NO_TARGETS)
  const targets: (Storage | null)[] = new Array(count).fill(null)
  const read = new Set(inputs)
  for (let j = 0; j < cells.length; j++) {
    const target = (cells[j] as Cell).target()
    // A tensor that still looks back at the previous value keeps it from being overwritten.
    targets[first + j] = read.has(target) ? null : target
  }
  let stored: Storage[]
  try {
    stored = executable.run(inputs, targets)
  } catch (error) {
    for (let j = 0; j < cells.length; j++) {
      if (targets[first + j] !== null) (cells[j] as Cell).spoil()
    }
    throw error
  }
  for (let j = 0; j < cells.length; j++) (cells[j] as Cell).advance(stored[first + j] as Storage)
  return stored
}
