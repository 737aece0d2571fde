// An emitter under test: what the suites of this folder are run on.

import { interpretKernel, type Memory } from '../../../src/compiler/kernel/interpret.js'
import type { Kernel } from '../../../src/compiler/kernel/ir.js'

export interface Subject {
  /** Runs a kernel on copies of the slots, and throws if it does not do what the interpreter does. */
  check(kernel: Kernel, slots: readonly Memory[]): void
  /** Runs a kernel on the slots. @returns the fault word */
  run(kernel: Kernel, slots: readonly Memory[]): number
}

/** A way to run kernels, with a name for error messages. */
export interface Way {
  readonly name: string
  readonly run: Subject['run']
}

/**
 * Runs a kernel in several ways on copies of the slots, and compares every bit with what the interpreter
 * gives (any NaN equals any NaN).
 * @param fused whether `fma` rounds once
 */
export function compare(
  kernel: Kernel,
  slots: readonly Memory[],
  ways: readonly Way[],
  fused: boolean,
): void {
  const expected = slots.map((s) => s.slice())
  const status = interpretKernel(kernel, expected, { fused })
  for (const { name, run } of ways) {
    const got = slots.map((s) => s.slice())
    const fault = run(kernel, got)
    const wrong = (what: string): never => {
      throw new Error(`${kernel.name} on ${name}: ${what}`)
    }
    if (fault !== status) wrong(`fault ${fault} not ${status}`)
    for (const [i, e] of expected.entries()) {
      for (let at = 0; at < e.length; at++) {
        if (Object.is(e[at], got[i]![at])) continue
        wrong(`slot ${i}, element ${at}: ${got[i]![at]} not ${e[at]}`)
      }
    }
  }
}
