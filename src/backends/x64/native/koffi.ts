// How native code is reached: koffi, an optional package, loaded when it is first needed.

import type * as Koffi from 'koffi'
import { DeviceError } from '../../../base/errors.js'
import { builtin, isNode } from '../../../base/node.js'

/** A native function as JavaScript calls it. Integers beyond 2^53 come back as BigInt. */
export type NativeFunction = (...args: unknown[]) => number

interface Modules {
  createRequire(url: string): (name: string) => unknown
}

let known: { readonly koffi: typeof Koffi | null; readonly reason: string } | null = null

function load(): { koffi: typeof Koffi | null; reason: string } {
  const missing = (reason: string) => ({ koffi: null, reason })
  if (!isNode()) return missing('it needs Node.js')
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    return missing(`it needs Linux on x86-64, and this is ${process.platform} on ${process.arch}`)
  }
  const modules = builtin<Modules>('node:module')
  if (modules === null) return missing('it needs Node.js 20.16 or newer')
  try {
    // Not an import: bundlers must not see it, and where it is missing all else still works.
    const koffi = modules.createRequire(import.meta.url)('koffi') as typeof Koffi
    return { koffi, reason: '' }
  } catch (error) {
    const { code, message } = error as { code?: string; message: string }
    if (code === 'MODULE_NOT_FOUND') {
      return missing('the package koffi is not installed (npm install koffi)')
    }
    return missing(`the package koffi does not load: ${message.split('\n')[0]}`)
  }
}

/** Why native code cannot be called here; empty where it can. */
export function whyNoKoffi(): string {
  known ??= load()
  return known.reason
}

/** The koffi module. Throws `DeviceError` where it cannot be had. */
export function koffi(): typeof Koffi {
  known ??= load()
  if (known.koffi === null) throw new DeviceError('x64', 'a way to native code', known.reason)
  return known.koffi
}
