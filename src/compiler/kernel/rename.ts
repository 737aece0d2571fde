// Copies statements with index variables replaced by affine values and with registers renamed.

import { indexVar, plus, times } from './affine.js'
import type { Affine, Bound, IndexVar, Reg, Stmt } from './ir.js'

/** A substitution under way: what variables and registers turn into. */
export class Renaming {
  readonly values = new Map<number, Affine>()
  readonly registers = new Map<number, Reg>()

  affine(a: Affine): Affine {
    const { terms } = a
    let at = 0
    while (at < terms.length && !this.values.has(terms[at]!.variable.id)) at++
    if (at === terms.length) return a
    let out: Affine = { constant: a.constant, terms: terms.slice(0, at) }
    for (; at < terms.length; at++) {
      const t = terms[at]!
      const value = this.values.get(t.variable.id)
      out = plus(out, value ? times(value, t.coefficient) : { constant: 0, terms: [t] })
    }
    return out
  }

  bound(b: Bound): Bound {
    return 'min' in b ? { min: [this.affine(b.min[0]), this.affine(b.min[1])] } : this.affine(b)
  }

  reg = (r: Reg): Reg => this.registers.get(r.id) ?? r

  body(body: readonly Stmt[]): Stmt[] {
    const out: Stmt[] = []
    for (let n = 0; n < body.length; n++) out.push(this.statement(body[n]!))
    return out
  }

  /** Variables that the copied statements define are made new, so that copies can stand side by side. */
  private fresh(v: IndexVar): IndexVar {
    const variable = indexVar(v.name)
    this.values.set(v.id, { constant: 0, terms: [{ variable, coefficient: 1 }] })
    return variable
  }

  /** A copy of a statement without others inside, which keeps the variable it defines. */
  simple(s: Stmt): Stmt {
    if (s.op !== 'divide' && s.op !== 'modulo') return this.statement(s)
    return { ...s, value: this.affine(s.value) }
  }

  private statement(s: Stmt): Stmt {
    switch (s.op) {
      case 'const':
        return { ...s, dst: this.reg(s.dst) }
      case 'set':
        return { ...s, dst: this.reg(s.dst), args: s.args.map(this.reg) }
      case 'move':
      case 'convert':
      case 'bitcast':
      case 'combine':
        return { ...s, dst: this.reg(s.dst), from: this.reg(s.from) }
      case 'index':
        return { ...s, dst: this.reg(s.dst), value: this.affine(s.value) }
      case 'divide':
      case 'modulo': {
        const value = this.affine(s.value)
        return { ...s, value, variable: this.fresh(s.variable) }
      }
      case 'load':
        return { ...s, dst: this.reg(s.dst), at: this.affine(s.at) }
      case 'prefetch':
        return { ...s, at: this.affine(s.at) }
      case 'gather':
        return { ...s, dst: this.reg(s.dst), at: this.affine(s.at), offset: this.reg(s.offset) }
      case 'store': {
        const out = { ...s, at: this.affine(s.at), from: this.reg(s.from) }
        return s.when === undefined ? out : { ...out, when: this.reg(s.when) }
      }
      case 'scatter':
        return {
          ...s,
          at: this.affine(s.at),
          offset: this.reg(s.offset),
          from: this.reg(s.from),
        }
      case 'for': {
        const from = this.affine(s.from)
        const to = this.bound(s.to)
        const variable = this.fresh(s.variable)
        return { ...s, from, to, variable, body: this.body(s.body) }
      }
      case 'vector': {
        const count = this.bound(s.count)
        const variable = this.fresh(s.variable)
        return { ...s, count, variable, body: this.body(s.body) }
      }
      case 'when': {
        const out = { ...s, left: this.affine(s.left), right: this.affine(s.right) }
        const body = this.body(s.body)
        return s.otherwise ? { ...out, body, otherwise: this.body(s.otherwise) } : { ...out, body }
      }
      case 'status':
        return { ...s, cond: this.reg(s.cond) }
    }
  }
}
