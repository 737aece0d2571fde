// Whether the JavaScript engine can have the memory it wants for machine code of its own.

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
