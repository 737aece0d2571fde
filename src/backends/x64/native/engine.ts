// What is asked of the JavaScript engine: whether it can have memory for machine code of its own, and to
// give back memory soon.

import { builtin } from '../../../base/node.js'
import { whyNoKoffi } from './koffi.js'
import { ERRNO, libc, MAP, PROT } from './libc.js'
import { PAGE } from './pages.js'

interface V8 {
  setFlagsFromString(flags: string): void
}

/**
 * Whether V8 can compile WebAssembly. It wants pages that are writable and executable, and ends the process
 * when the system refuses them, as it does under `prctl(PR_SET_MDWE)` or without SELinux's `execmem`: so
 * this asks first. Where they are refused, V8 is told to go without machine code for JavaScript, too. Where
 * the system cannot be asked the answer is true.
 */
export function mayEngineCompile(): boolean {
  if (whyNoKoffi() !== '') return true
  const c = libc()
  const everything = PROT.read | PROT.write | PROT.exec
  const at = c.mmap(0, PAGE, everything, MAP.private | MAP.anonymous, -1)
  if (at >= 0) c.munmap(at, PAGE)
  else if (c.errno() === ERRNO.EACCES || c.errno() === ERRNO.EPERM) {
    builtin<V8>('node:v8')?.setFlagsFromString('--jitless')
    return false
  }
  return true
}

/**
 * Has V8 free the memory of dead arrays while it collects garbage, not afterwards on another thread. Then a
 * large result lies where an earlier one did, and is written to lines that a cache still holds; no thread
 * that frees takes a processor from those that compute; and V8, which counts what is not freed yet, has
 * less reason to look through its whole heap.
 */
export function freeArraysAtOnce(): void {
  builtin<V8>('node:v8')?.setFlagsFromString('--no-concurrent-array-buffer-sweeping')
}
