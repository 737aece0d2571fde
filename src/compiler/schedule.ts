// Orders the steps of a plan and puts barriers where a step needs what an earlier one wrote.
//
// Steps between two barriers form a round and run side by side. A step may move forward into an earlier
// round, past others it has nothing to do with, but not far: what it makes would have to be kept longer.

import { type Link, readsOf, writesOf } from './steps.js'

/** How many steps ahead are looked at for one that can join the current round. */
const LOOK_AHEAD = 12

export interface Scheduled {
  readonly step: Link
  /** Steps of equal rounds have no barrier between them. */
  readonly round: number
}

/** For each step the earlier steps that must be finished before it starts. */
function dependencies(steps: readonly Link[]): number[][] {
  const lastWrite = new Map<number, number>()
  const readers = new Map<number, number[]>()
  return steps.map((step, i) => {
    const needs = new Set<number>()
    const after = (j: number | undefined): void => {
      if (j !== undefined) needs.add(j)
    }
    for (const r of readsOf(step)) after(lastWrite.get(r.id))
    for (const w of writesOf(step)) {
      after(lastWrite.get(w.id))
      for (const j of readers.get(w.id) ?? []) after(j)
    }
    for (const r of readsOf(step)) {
      const list = readers.get(r.id)
      if (list === undefined) readers.set(r.id, [i])
      else list.push(i)
    }
    for (const w of writesOf(step)) {
      lastWrite.set(w.id, i)
      readers.set(w.id, [])
    }
    needs.delete(i)
    return [...needs]
  })
}

/** The steps in the order they run, each with its round. */
export function schedule(steps: readonly Link[]): Scheduled[] {
  const needs = dependencies(steps)
  const round = new Int32Array(steps.length).fill(-1)
  const out: Scheduled[] = []
  let first = 0
  for (let current = 0; out.length < steps.length; current++) {
    while (first < steps.length && (round[first] as number) >= 0) first++
    let looked = 0
    for (let i = first; i < steps.length && looked < LOOK_AHEAD; i++) {
      if ((round[i] as number) >= 0) continue
      looked++
      const ready = (needs[i] as number[]).every((j) => {
        const r = round[j] as number
        return r >= 0 && r < current
      })
      if (!ready) continue
      const step = steps[i] as Link
      round[i] = current
      out.push({ step, round: current })
    }
  }
  return out
}
