// Kernels that do the same: layers of a network that are alike come to kernels that are equal but for the
// numbers of their loop variables. Such kernels are one, and become code once.

import type { Affine, IndexVar, Kernel, Reg } from './ir.js'

/** Text that kernels have in common if they are equal but for the names and numbers of what is in them. */
export function textOf(kernel: Kernel): string {
  const numbers = new Map<number, number>()
  const out: (string | number)[] = []

  const variable = ({ id }: IndexVar): number => {
    let n = numbers.get(id)
    if (n === undefined) {
      n = numbers.size
      numbers.set(id, n)
    }
    return n
  }
  const affine = ({ constant, terms }: Affine): void => {
    out.push(constant)
    for (const t of terms) out.push(t.coefficient, '*', variable(t.variable))
  }
  const reg = ({ id, type, lanes }: Reg): void => {
    out.push(type, id, ':', lanes)
  }
  const write = (value: unknown): void => {
    if (Array.isArray(value)) {
      out.push('[')
      for (const item of value) write(item)
      out.push(']')
    } else if (typeof value === 'object' && value !== null) {
      if ('terms' in value) affine(value as Affine)
      else if ('lanes' in value && 'type' in value) reg(value as Reg)
      else fields(value)
    } else if (typeof value === 'number') out.push(Object.is(value, -0) ? '-0' : value)
    else out.push(String(value))
    out.push(' ')
  }
  const fields = (value: object): void => {
    for (const [name, field] of Object.entries(value)) {
      if (name === 'name') continue
      out.push(name, '=')
      if (name === 'variable' || name === 'chunk') out.push(variable(field as IndexVar))
      else if (name === 'buffer') out.push((field as { id: number }).id)
      else write(field)
      out.push(';')
    }
  }
  out.push(kernel.name, '\n')
  fields(kernel)
  return out.join('')
}

/** Answers with the first kernel that is equal to the one it is asked about. */
export function sharing(): (kernel: Kernel) => Kernel {
  const known = new Map<string, Kernel>()
  return (kernel) => {
    const text = textOf(kernel)
    const same = known.get(text)
    if (same === undefined) known.set(text, kernel)
    return same ?? kernel
  }
}
