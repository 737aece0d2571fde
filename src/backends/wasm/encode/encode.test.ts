// The encoder: integers at their boundaries, every instruction of the tables as the engine reads it.

import { describe, expect, test } from 'vitest'
import { detectEngine } from '../engine.js'
import { ByteWriter } from './bytes.js'
import { FunctionBody, type Signature } from './function.js'
import { ModuleBuilder } from './module.js'
import {
  LANE_MEMORY_OPCODES,
  LANE_OPCODES,
  type LaneMemoryOp,
  type LaneOp,
  MEMORY_OPCODES,
  type MemoryOp,
  OPCODES,
  type OpName,
  type ValueType,
} from './opcodes.js'

const engine = detectEngine()
const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536 })

function build(signature: Signature, fill: (f: FunctionBody) => void): Uint8Array<ArrayBuffer> {
  const f = new FunctionBody(signature)
  fill(f)
  const module = new ModuleBuilder(false)
  module.export('f', module.add(f))
  return module.finish()
}

function load(signature: Signature, fill: (f: FunctionBody) => void): CallableFunction {
  const module = new WebAssembly.Module(build(signature, fill))
  return new WebAssembly.Instance(module, { env: { memory } }).exports.f as CallableFunction
}

const written = (fill: (w: ByteWriter) => void): number[] => {
  const w = new ByteWriter()
  fill(w)
  return [...w.finish()]
}

describe('integers', () => {
  test.each([
    [0, [0]],
    [127, [0x7f]],
    [128, [0x80, 1]],
    [624485, [0xe5, 0x8e, 0x26]],
    [0xffffffff, [0xff, 0xff, 0xff, 0xff, 0x0f]],
  ])('unsigned %i', (value, bytes) => {
    expect(written((w) => w.unsigned(value))).toEqual(bytes)
  })

  test('constants survive the way through the engine', () => {
    const edges = [0, 1, -1, 63, 64, -64, -65, 8191, 8192, -8192, -8193, 2 ** 31 - 1, -(2 ** 31)]
    for (const value of edges) {
      expect(load({ parameters: [], results: ['i32'] }, (f) => f.i32(value))()).toBe(value)
    }
    for (const value of [...edges.map(BigInt), 2n ** 63n - 1n, -(2n ** 63n), 1n << 35n]) {
      expect(load({ parameters: [], results: ['i64'] }, (f) => f.i64(value))()).toBe(value)
    }
    for (const value of [0, -0, 1.5, -1e30, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(load({ parameters: [], results: ['f64'] }, (f) => f.f64(value))()).toBe(value)
      const single = load({ parameters: [], results: ['f32'] }, (f) => f.f32(value))()
      expect(single).toBe(Math.fround(value))
    }
  })
})

/** What an instruction's name says it pops and pushes. */
const NARROW: ReadonlySet<string> = new Set(['i32', 'i64', 'f32', 'f64'])
const UNARY =
  /\.(abs|neg|ceil|floor|trunc|nearest|sqrt|not|clz|eqz|splat|bitmask|any_true)$|convert|extend|trunc_sat|promote|demote|reinterpret|wrap/
const COMPARE = /\.(eqz?|ne|lt|gt|le|ge)(_[su])?$/
const TERNARY = /bitselect|madd|laneselect/

function typeOf(name: OpName): { pops: ValueType[]; pushes: ValueType } {
  const [shape = '', action = ''] = name.split('.')
  const scalar = NARROW.has(shape)
  const own: ValueType = scalar ? (shape as ValueType) : 'v128'
  const from = /_(i32|i64|f32|f64)(_|$)/.exec(action)?.[1] as ValueType | undefined
  if (action === 'splat')
    return {
      pops: [
        ({ i32x4: 'i32', i64x2: 'i64', f32x4: 'f32', f64x2: 'f64' } as const)[shape as 'i32x4'],
      ],
      pushes: 'v128',
    }
  if (action === 'any_true' || action === 'bitmask') return { pops: ['v128'], pushes: 'i32' }
  if (TERNARY.test(name)) return { pops: ['v128', 'v128', 'v128'], pushes: 'v128' }
  if (/\.(shl|shr_[su])$/.test(name)) return { pops: [own, scalar ? own : 'i32'], pushes: own }
  if (scalar && COMPARE.test(name))
    return { pops: action === 'eqz' ? [own] : [own, own], pushes: 'i32' }
  if (UNARY.test(name) && !/extmul/.test(name))
    return { pops: [scalar ? (from ?? own) : 'v128'], pushes: own }
  return { pops: [own, own], pushes: own }
}

describe('instructions', () => {
  const plain = (Object.keys(OPCODES) as OpName[]).filter((n) => n.includes('.'))
  test.each(plain)('%s', (name) => {
    if (name.includes('relaxed') && !engine.relaxed) return
    const { pops, pushes } = typeOf(name)
    const bytes = build({ parameters: pops, results: [pushes] }, (f) => {
      for (let i = 0; i < pops.length; i++) f.get(i)
      f.op(name)
    })
    // Validation tells apart instructions by their types; the emitter's tests tell what they compute.
    expect(WebAssembly.validate(bytes)).toBe(true)
  })

  test.each(Object.keys(LANE_OPCODES) as LaneOp[])('%s', (name) => {
    const scalar = ({ i32x4: 'i32', i64x2: 'i64', f32x4: 'f32', f64x2: 'f64' } as const)[
      name.slice(0, 5) as 'i32x4'
    ]
    const extract = name.endsWith('extract_lane')
    const bytes = build(
      {
        parameters: extract ? ['v128'] : ['v128', scalar],
        results: [extract ? scalar : 'v128'],
      },
      (f) => {
        f.get(0)
        if (!extract) f.get(1)
        f.lane(name, 1)
      },
    )
    expect(WebAssembly.validate(bytes)).toBe(true)
  })

  test.each(Object.keys(MEMORY_OPCODES) as MemoryOp[])('%s', (name) => {
    const type = (name.startsWith('memory') ? 'i32' : name.slice(0, name.indexOf('.'))) as ValueType
    const store = name.includes('store')
    const args: ValueType[] = store
      ? ['i32', type]
      : name.endsWith('notify') || name.endsWith('rmw.add')
        ? ['i32', type]
        : name.endsWith('wait32')
          ? ['i32', 'i32', 'i64']
          : name.endsWith('cmpxchg')
            ? ['i32', type, type]
            : ['i32']
    const bytes = build({ parameters: args, results: store ? [] : [type] }, (f) => {
      for (let i = 0; i < args.length; i++) f.get(i)
      f.memory(name, 300)
    })
    expect(WebAssembly.validate(bytes)).toBe(true)
  })

  test.each(Object.keys(LANE_MEMORY_OPCODES) as LaneMemoryOp[])('%s', (name) => {
    const results: ValueType[] = name.includes('store') ? [] : ['v128']
    const bytes = build({ parameters: ['i32', 'v128'], results }, (f) => {
      f.get(0)
      f.get(1)
      f.laneMemory(name, 70000, 1)
    })
    expect(WebAssembly.validate(bytes)).toBe(true)
  })
})

describe('functions', () => {
  test('structures: a loop in a block sums, a table branches', () => {
    const sum = load({ parameters: ['i32'], results: ['i32'] }, (f) => {
      const total = f.local('i32')
      f.block(() =>
        f.loop(() => {
          f.get(0)
          f.op('i32.eqz')
          f.branchIf(1)
          f.get(total)
          f.get(0)
          f.op('i32.add')
          f.set(total)
          f.get(0)
          f.addConstant(-1)
          f.set(0)
          f.branch(0)
        }),
      )
      f.get(total)
    })
    expect(sum(100)).toBe(5050)
    const pick = load({ parameters: ['i32'], results: ['i32'] }, (f) => {
      f.block(() => {
        f.block(() => {
          f.block(() => {
            f.get(0)
            f.branchTable([0, 1, 2])
          })
          f.i32(10)
          f.op('return')
        })
        f.i32(20)
        f.op('return')
      })
      f.i32(30)
    })
    expect([0, 1, 2, 9].map((n) => pick(n))).toEqual([10, 20, 30, 30])
  })

  test('locals are given out again', () => {
    const f = new FunctionBody({ parameters: ['i32'], results: [] })
    const a = f.local('v128')
    const b = f.local('i32')
    f.release('v128', a)
    expect(f.local('v128')).toBe(a)
    expect(f.local('v128')).toBe(3)
    expect(b).toBe(2)
  })

  test('equal functions are one', () => {
    const module = new ModuleBuilder(false)
    const make = (n: number): FunctionBody => {
      const f = new FunctionBody({ parameters: [], results: ['i32'] })
      f.i32(n)
      return f
    }
    expect(module.add(make(1))).toBe(0)
    expect(module.add(make(2))).toBe(1)
    expect(module.add(make(1))).toBe(0)
    expect(module.functionCount).toBe(2)
  })
})
