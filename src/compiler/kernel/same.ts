// Kernels that do the same: layers of a network that are alike come to kernels that are equal but for the
// numbers of their loop variables. Such kernels are one, and become code once.

import type { Kernel } from './ir.js'
import { signatureOf } from './signature.js'

/** Answers with the first kernel that is equal to the one it is asked about, and called the same. */
export function sharing(): (kernel: Kernel) => Kernel {
  const known = new Map<string, Kernel[]>()
  return (kernel) => {
    const signature = signatureOf(kernel)
    const alike = known.get(signature)
    if (alike === undefined) {
      known.set(signature, [kernel])
      return kernel
    }
    const same = alike.find((k) => k.name === kernel.name)
    if (same === undefined) alike.push(kernel)
    return same ?? kernel
  }
}
