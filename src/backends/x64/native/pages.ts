// Memory straight from the system: blocks for intermediate values and for threads' scratch areas.

import { OutOfMemoryError } from '../../../base/errors.js'
import { koffi } from './koffi.js'
import { ERRNO, errnoName, libc, MADV, MAP, PROT } from './libc.js'

export const PAGE = 4096
const HUGE = 2 << 20

export const roundUp = (n: number, to: number): number => Math.ceil(n / to) * to

/** A mapping of whole pages, zero at first. */
export class Pages {
  private constructor(
    readonly address: number,
    readonly bytes: number,
    private readonly base: number,
    private readonly mapped: number,
  ) {}

  /** Maps at least `bytes`; large blocks start where huge pages may. Throws `OutOfMemoryError`. */
  static map(bytes: number, what: string): Pages {
    const size = roundUp(Math.max(bytes, 1), PAGE)
    const mapped = size >= HUGE ? size + HUGE : size
    const c = libc()
    const base = c.mmap(0, mapped, PROT.read | PROT.write, MAP.private | MAP.anonymous, -1)
    if (base < 0) {
      const errno = c.errno()
      const expected = `${bytes} bytes of memory`
      throw new OutOfMemoryError(what, expected, errnoName(errno || ERRNO.ENOMEM), { bytes })
    }
    const address = size >= HUGE ? roundUp(base, HUGE) : base
    // A wish, which the system may not grant.
    if (size >= HUGE) c.madvise(address, size, MADV.hugepage)
    return new Pages(address, size, base, mapped)
  }

  free(): void {
    libc().munmap(this.base, this.mapped)
  }
}

const EMPTY = new ArrayBuffer(0)
/** V8 of Node 20 ends the process when asked for more. */
const MOST_VIEW = 2 ** 32 - 1

/** Memory at an address as an array buffer, for as long as it stays mapped. */
export function viewOf(address: number, bytes: number): ArrayBuffer {
  if (bytes === 0) return EMPTY
  if (bytes > MOST_VIEW) {
    throw new OutOfMemoryError('x64', 'a buffer below 4 GiB for JavaScript', `${bytes} bytes`)
  }
  return koffi().view(BigInt(address), bytes)
}
