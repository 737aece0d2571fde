// Kernels that do the same: layers of a network that are alike come to kernels that are equal but for the
// numbers of their loop variables. Such kernels are one, and become code once.

import type { Kernel } from './ir.js'
import { signatureOf } from './signature.js'

interface Entry<V> {
  readonly kernel: Kernel
  value: V
}

/** What little tells most kernels apart: to write signatures takes long, and few kernels need one. */
const sketchOf = ({ grid, body, buffers }: Kernel): string =>
  `${grid} ${body.length} ${buffers.map((b) => b.length)}`

const doSame = (a: Kernel, b: Kernel): boolean => a === b || signatureOf(a) === signatureOf(b)

/** A map by what kernels do, instead of which they are. */
export class KernelMap<V> {
  private readonly entries = new Map<string, Entry<V>[]>()

  /** @param same what it takes for two kernels to be one key */
  constructor(private readonly same: (a: Kernel, b: Kernel) => boolean = doSame) {}

  private find(kernel: Kernel): Entry<V> | undefined {
    return this.entries.get(sketchOf(kernel))?.find((e) => this.same(e.kernel, kernel))
  }

  get(kernel: Kernel): V | undefined {
    return this.find(kernel)?.value
  }

  set(kernel: Kernel, value: V): void {
    const known = this.find(kernel)
    if (known !== undefined) {
      known.value = value
      return
    }
    const sketch = sketchOf(kernel)
    const alike = this.entries.get(sketch)
    if (alike === undefined) this.entries.set(sketch, [{ kernel, value }])
    else alike.push({ kernel, value })
  }

  /** Forgets the values for which `gone` holds. */
  prune(gone: (value: V) => boolean): void {
    for (const [sketch, alike] of this.entries) {
      const kept = alike.filter((e) => !gone(e.value))
      if (kept.length === 0) this.entries.delete(sketch)
      else if (kept.length < alike.length) this.entries.set(sketch, kept)
    }
  }
}

/** Answers with the first kernel that is equal to the one it is asked about, and called the same. */
export function sharing(): (kernel: Kernel) => Kernel {
  const known = new Map<string, Kernel[]>()
  return (kernel) => {
    const alike = known.get(kernel.name)
    if (alike === undefined) {
      known.set(kernel.name, [kernel])
      return kernel
    }
    const first = alike.find((k) => doSame(k, kernel))
    if (first === undefined) alike.push(kernel)
    return first ?? kernel
  }
}
