// Puts functions together to a WebAssembly module that imports one memory.

import { ByteWriter } from './bytes.js'
import type { FunctionBody, Signature } from './function.js'
import { VALUE_TYPES } from './opcodes.js'

const SECTION = { type: 1, import: 2, function: 3, export: 7, code: 10 } as const
const MEMORY = 2
const PAGE_LIMIT = 65536

export class ModuleBuilder {
  private readonly types: string[] = []
  private readonly typeBytes: Uint8Array[] = []
  private readonly functions: { type: number; code: Uint8Array }[] = []
  private readonly byCode = new Map<number, readonly number[]>()
  private readonly exports: { name: string; index: number }[] = []

  /** @param shared whether the memory is shared among threads */
  constructor(private readonly shared: boolean) {}

  /** Adds a function; one that is already there, byte for byte, is used again. */
  add(body: FunctionBody): number {
    const type = this.typeOf(body.signature)
    const code = body.finish()
    const key = hash(code)
    const alike = this.byCode.get(key) ?? []
    for (const index of alike) {
      const f = this.functions[index]!
      if (f.type === type && equal(f.code, code)) return index
    }
    const index = this.functions.length
    this.functions.push({ type, code })
    this.byCode.set(key, [...alike, index])
    return index
  }

  export(name: string, index: number): void {
    this.exports.push({ name, index })
  }

  get functionCount(): number {
    return this.functions.length
  }

  finish(): Uint8Array<ArrayBuffer> {
    const out = new ByteWriter()
    out.bytes([0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0])
    const section = (id: number, fill: (w: ByteWriter) => void): void => {
      const w = new ByteWriter()
      fill(w)
      out.byte(id)
      out.vector(w.finish())
    }
    section(SECTION.type, (w) => {
      w.unsigned(this.typeBytes.length)
      for (const t of this.typeBytes) w.bytes(t)
    })
    section(SECTION.import, (w) => {
      w.unsigned(1)
      w.name('env')
      w.name('memory')
      w.byte(MEMORY)
      w.byte(this.shared ? 3 : 1)
      w.unsigned(0)
      w.unsigned(PAGE_LIMIT)
    })
    section(SECTION.function, (w) => {
      w.unsigned(this.functions.length)
      for (const f of this.functions) w.unsigned(f.type)
    })
    section(SECTION.export, (w) => {
      w.unsigned(this.exports.length)
      for (const e of this.exports) {
        w.name(e.name)
        w.byte(0)
        w.unsigned(e.index)
      }
    })
    section(SECTION.code, (w) => {
      w.unsigned(this.functions.length)
      for (const f of this.functions) w.vector(f.code)
    })
    return out.finish()
  }

  private typeOf({ parameters, results }: Signature): number {
    const key = `${parameters}>${results}`
    const known = this.types.indexOf(key)
    if (known >= 0) return known
    const w = new ByteWriter()
    w.byte(0x60)
    for (const list of [parameters, results]) {
      w.unsigned(list.length)
      for (const t of list) w.byte(VALUE_TYPES[t])
    }
    this.types.push(key)
    this.typeBytes.push(w.finish())
    return this.types.length - 1
  }
}

/** A hash of bytes (FNV-1a). */
function hash(bytes: Uint8Array): number {
  let h = 0x811c9dc5
  for (let i = 0; i < bytes.length; i++) h = Math.imul(h ^ bytes[i]!, 0x01000193)
  return h
}

const equal = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((x, i) => x === b[i])
