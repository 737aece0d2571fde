// What a kernel computes, as text: kernels with equal signatures are the same function of their buffers,
// whatever they, their buffers and their variables are called. So emitters write code for one of them.

import type { Affine, Bound, BufferDecl, Kernel, Reg, Stmt } from './ir.js'
import { affinesOf, bodiesOf, operandsOf, resultOf, variableOf } from './walk.js'

/** What a statement says besides its registers, addresses and bodies. */
function attributesOf(s: Stmt): string {
  switch (s.op) {
    case 'const':
      return Object.is(s.value, -0) ? '-0' : `${s.value}`
    case 'set':
    case 'combine':
      return s.fn
    case 'divide':
    case 'modulo':
      return `${s.by}`
    case 'gather':
    case 'scatter':
      return `${s.scale}`
    case 'for':
      return `${s.step}${s.unroll ? 'u' : ''}${kindOf(s.to)}`
    case 'vector':
      return `${s.lanes}${kindOf(s.count)}`
    case 'when':
      return s.cmp
    case 'status':
      return `${s.code}`
    default:
      return ''
  }
}

const kindOf = (bound: Bound): string => ('min' in bound ? 'min' : '')
const reg = ({ id, type, lanes }: Reg): string => ` ${type}${id}${lanes > 0 ? `x${lanes}` : ''}`
const buffer = ({ id, type, space, access, length }: BufferDecl): string =>
  `${id} ${type} ${space} ${access} ${length}\n`

/** Kernels never change, and several ask. */
const known = new WeakMap<Kernel, string>()

/** The signature of a kernel; its name and its estimates are no part of it. */
export function signatureOf(kernel: Kernel): string {
  let signature = known.get(kernel)
  if (signature === undefined) {
    signature = write(kernel)
    known.set(kernel, signature)
  }
  return signature
}

function write({ grid, chunk, buffers, body }: Kernel): string {
  /** Variables are numbered as they come. */
  const numbers = new Map([[chunk.id, 0]])
  /** Addresses that differ by numbers only share their terms. */
  const written = new Map<Affine['terms'], string>()
  const termsOf = (terms: Affine['terms']): string => {
    let text = written.get(terms)
    if (text === undefined) {
      text = ''
      for (let n = 0; n < terms.length; n++) {
        const { variable, coefficient } = terms[n]!
        text += `+${coefficient}v${numbers.get(variable.id)}`
      }
      written.set(terms, text)
    }
    return text
  }
  const affine = ({ constant, terms }: Affine): string => ` ${constant}${termsOf(terms)}`
  let text = `${grid}\n`
  for (const b of buffers) text += buffer(b)
  const visit = (list: readonly Stmt[]): void => {
    for (let at = 0; at < list.length; at++) {
      const s = list[at]!
      text += `${s.op} ${attributesOf(s)}`
      if ('buffer' in s) text += ` [${s.buffer.id}]`
      const dst = resultOf(s)
      if (dst !== null) text += `${reg(dst)} =`
      const operands = operandsOf(s)
      const affines = affinesOf(s)
      for (let n = 0; n < operands.length; n++) text += reg(operands[n]!)
      for (let n = 0; n < affines.length; n++) text += affine(affines[n]!)
      const variable = variableOf(s)
      if (variable !== null) {
        // A name that comes again is another variable.
        if (numbers.has(variable.id)) written.clear()
        numbers.set(variable.id, numbers.size)
      }
      text += '\n'
      const inside = bodiesOf(s)
      for (let n = 0; n < inside.length; n++) {
        text += '{\n'
        visit(inside[n]!)
        text += '}\n'
      }
    }
  }
  visit(body)
  return text
}
