// Kernels that do the same: layers of a network that are alike come to kernels that are equal but for the
// numbers of their loop variables. Such kernels are one, and become code once.

import type { Kernel } from './ir.js'
import { signatureOf } from './signature.js'

/** What little tells most kernels apart: to write signatures takes long, and few kernels need one. */
const sketchOf = ({ grid, body, buffers }: Kernel): string =>
  `${grid} ${body.length} ${buffers.map((b) => b.length)}`

/** Whether two kernels do the same. */
export const doSame = (a: Kernel, b: Kernel): boolean =>
  a === b || signatureOf(a) === signatureOf(b)

/** Knows the first kernel of each kind it was asked about: that one stands for those that are the same. */
export class Firsts {
  private readonly bySketch = new Map<string, Kernel[]>()

  /** @param same what it takes for two kernels to be the same */
  constructor(private readonly same: (a: Kernel, b: Kernel) => boolean = doSame) {}

  /** The first kernel that is the same as this one; it may be this one. */
  of(kernel: Kernel): Kernel {
    const sketch = sketchOf(kernel)
    const alike = this.bySketch.get(sketch)
    const first = alike?.find((k) => this.same(k, kernel))
    if (first !== undefined) return first
    if (alike === undefined) this.bySketch.set(sketch, [kernel])
    else alike.push(kernel)
    return kernel
  }

  /** Has another kernel be the first in the place of this one. */
  forget(kernel: Kernel): void {
    const sketch = sketchOf(kernel)
    const others = this.bySketch.get(sketch)?.filter((k) => k !== kernel) ?? []
    if (others.length > 0) this.bySketch.set(sketch, others)
    else this.bySketch.delete(sketch)
  }
}
