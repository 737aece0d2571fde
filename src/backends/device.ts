// What the runtime asks of a backend: build a program once, run it many times.

import type { Program } from '../ir/program.js'
import type { Limits } from './profile.js'
import type { Storage } from './storage.js'

/** A program built for a device. Safe to run again while an earlier run's results are alive. */
export interface Executable {
  /**
   * Computes outputs from inputs. `inputs[i]` is the i-th parameter's value: a storage, or a plain
   * number for a scalar. `targets[j]`, where given, is the storage that receives output j; where
   * `null`, or past the end, the device makes one. A target never is one of the inputs.
   * @returns the outputs' storages, in order.
   */
  run(inputs: readonly (Storage | number)[], targets: readonly (Storage | null)[]): Storage[]
  /** Frees code and arenas. Called once, when the plan leaves the cache. */
  dispose(): void
  /** For people: kernels, arena size … */
  describe(): string
}

export interface DeviceInfo {
  readonly name: string
  readonly available: boolean
  /** Why not, or what it uses: `SIMD, relaxed SIMD, 2 threads`. */
  readonly detail: string
}

export interface Device {
  readonly name: string
  /**
   * @param supplied tells for which outputs the first run will be given targets that have arrays; while the
   *   plan is made, a device may get memory ready for the others. Left out: for none.
   */
  build(program: Program, supplied?: (output: number) => boolean): Executable
  /** Brings a storage's bytes into its host array (a no-op where they already are). */
  toHost(storage: Storage): void
  /** Number of threads used; setting it may be refused where threads are not available. */
  threads: number
  /** What can be said about memory, for tests and `tessera info`. */
  memory(): { readonly bytes: number; readonly detail: string }
  /** Measures what the device does at best with its threads, for profiles; some cannot say. */
  limits?(): Limits
}
