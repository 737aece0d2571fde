// Executable memory. Pages are writable first and executable then, never both.

import { DeviceError } from '../../../base/errors.js'
import { koffi, type NativeFunction } from './koffi.js'
import { errnoName, libc, MAP, PROT } from './libc.js'
import { PAGE, roundUp } from './pages.js'

/** Bytes of code in use, for tests and for people. */
let inUse = 0
export const codeBytes = (): number => inUse

/** Unmaps code whose owner was lost without being disposed of. */
const lost = new FinalizationRegistry<readonly [number, number]>(([address, bytes]) =>
  unmap(address, bytes),
)

function unmap(address: number, bytes: number): void {
  libc().munmap(address, bytes)
  inUse -= bytes
}

/** Machine code that can be called, until it is freed. */
export class Code {
  private freed = false

  private constructor(
    readonly address: number,
    readonly bytes: number,
  ) {
    inUse += bytes
    lost.register(this, [address, bytes], this)
  }

  /** Copies code to pages of its own. Throws `DeviceError` where the system forbids it. */
  static load(code: Uint8Array): Code {
    const { address, bytes } = map(code)
    return new Code(address, bytes)
  }

  /** As `load`, for code that stays as long as the process lives. @returns its address */
  static forever(code: Uint8Array): number {
    return map(code).address
  }

  /** Unmaps the code. Nobody may be in it. */
  free(): void {
    if (this.freed) return
    this.freed = true
    lost.unregister(this)
    unmap(this.address, this.bytes)
  }
}

function map(code: Uint8Array): { address: number; bytes: number } {
  const bytes = roundUp(Math.max(code.length, 1), PAGE)
  const c = libc()
  const address = c.mmap(0, bytes, PROT.read | PROT.write, MAP.private | MAP.anonymous, -1)
  if (address < 0) throw refused('memory for machine code', 'mmap', c.errno())
  // What is left of the last page traps, in case anything ever jumps there.
  const whole = new Uint8Array(bytes).fill(0xcc)
  whole.set(code)
  c.memcpy(address, whole, bytes)
  if (c.mprotect(address, bytes, PROT.read | PROT.exec) !== 0) {
    const errno = c.errno()
    c.munmap(address, bytes)
    throw refused('executable memory', 'mprotect', errno)
  }
  return { address, bytes }
}

const refused = (expected: string, call: string, errno: number): DeviceError =>
  new DeviceError('x64', expected, `${errnoName(errno)} from ${call}`, { call, errno })

/** Functions from JavaScript to machine code, by what they take; decoding makes the fast ones. */
const prototypes = new Map<string, unknown>()

/** A function at an address, e.g. `callable(at, 'void', ['int64_t'])`. Numbers do for addresses. */
export function callable(
  address: number,
  result: string,
  parameters: readonly string[],
): NativeFunction {
  const k = koffi()
  const key = `${result}(${parameters.join()})`
  let prototype = prototypes.get(key)
  if (prototype === undefined) {
    prototype = k.proto(result, [...parameters])
    prototypes.set(key, prototype)
  }
  return k.decode(BigInt(address), prototype as string) as NativeFunction
}
