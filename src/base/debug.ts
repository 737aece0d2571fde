// What tessera tells of its work on the error output, as far as TESSERA_DEBUG asks for it.

import { environment } from './node.js'

/** What each level tells, besides what those below it do. */
export const DEBUG = {
  /** Plans that are compiled, why again, and why a device is not used. */
  plans: 1,
  /** The time of each kernel in each run. */
  times: 2,
  /** Plans and kernels as the compiler makes them. */
  kernels: 3,
  /** Machine code. */
  code: 4,
} as const

const level = Number(environment('TESSERA_DEBUG') ?? 0)

/** Whether a level is asked for. */
export const debugging = (wanted: keyof typeof DEBUG): boolean => level >= DEBUG[wanted]

/** Prints a text if its level is asked for. */
export function debug(wanted: keyof typeof DEBUG, text: () => string): void {
  if (debugging(wanted)) console.error(text())
}
