// Powers of two put together from bits, for targets without an instruction that scales by one.

import type { Fn, Kernel, Reg, RegType, Stmt } from './ir.js'
import { resultOf, walk, withBodies } from './walk.js'

interface Format {
  readonly bits: 'i32' | 'i64'
  readonly mantissa: number
  /** Added to n, it leaves n + 2·bias in the low bits. */
  readonly magic: number
}

const FORMATS: Readonly<Record<'f32' | 'f64', Format>> = {
  f32: { bits: 'i32', mantissa: 23, magic: 1.5 * 2 ** 23 + 2 * 127 },
  f64: { bits: 'i64', mantissa: 52, magic: 1.5 * 2 ** 52 + 2 * 1023 },
}

/**
 * The kernel with `scale(a, n)` as a·2^⌊n/2⌋·2^⌈n/2⌉: each factor is a normal number where 2ⁿ is none, and
 * only the second product rounds.
 */
export function expandScaling(kernel: Kernel): Kernel {
  let next = 0
  let found = false
  walk(kernel.body, (s) => {
    next = Math.max(next, (resultOf(s)?.id ?? -1) + 1)
    if (s.op === 'set' && s.fn === 'scale') found = true
  })
  if (!found) return kernel
  const reg = (type: RegType): Reg => ({ id: next++, type, lanes: 0 })

  const expand = (s: Extract<Stmt, { op: 'set' }>): Stmt[] => {
    const out: Stmt[] = []
    const [a, n] = s.args as readonly [Reg, Reg]
    const { bits, mantissa, magic } = FORMATS[a.type as 'f32' | 'f64']
    const literal = (type: RegType, value: number): Reg => {
      const dst = reg(type)
      out.push({ op: 'const', dst, value: type === 'i64' ? BigInt(value) : value })
      return dst
    }
    const set = (fn: Fn, ...args: Reg[]): Reg => {
      const dst = reg((args[0] as Reg).type)
      out.push({ op: 'set', dst, fn, args })
      return dst
    }
    const cast = (type: RegType, from: Reg): Reg => {
      const dst = reg(type)
      out.push({ op: 'bitcast', dst, from })
      return dst
    }
    const both = cast(bits, set('add', n, literal(a.type, magic)))
    const half = set('ushr', both, literal(bits, 1))
    const place = literal(bits, mantissa)
    const power = (exponent: Reg): Reg => cast(a.type, set('shl', exponent, place))
    const first = set('mul', a, power(half))
    out.push({ op: 'set', dst: s.dst, fn: 'mul', args: [first, power(set('sub', both, half))] })
    return out
  }
  const rewrite = (body: readonly Stmt[]): Stmt[] =>
    body.flatMap((s) => (s.op === 'set' && s.fn === 'scale' ? expand(s) : [withBodies(s, rewrite)]))
  return { ...kernel, body: rewrite(kernel.body) }
}
