// The team's page: one for the whole process, whichever of its JavaScript threads asks first.
//
// These share no variables, but they share the address space. So the page is a named mapping at an address
// agreed on, which the system gives to the first who asks and refuses to others. These look up in the list
// of mappings whether it is ours that lies there. If it is not, they have a team of their own.

import { DeviceError } from '../../../base/errors.js'
import { readText } from '../../../base/node.js'
import { errnoName, libc, MAP, PROT } from '../native/libc.js'
import { viewOf } from '../native/pages.js'
import { TEAM } from './layout.js'

/** Far from where programs, libraries, heaps and stacks are put. */
const ADDRESS = 0x2e55_e7b0_0000
/** Changes with the layout of the page, as does the address. */
const NAME = 'tessera-team-2'

export interface TeamPage {
  readonly address: number
  readonly words: Int32Array
  readonly bytes: Uint8Array
}

/** Whether the mapping at an address is the one of that name. */
export function isMapped(maps: string, address: number, name: string): boolean {
  const start = address.toString(16)
  return maps
    .split('\n')
    .some((line) => line.replace(/^0+/, '').startsWith(`${start}-`) && line.includes(`:${name}`))
}

function mapShared(): number {
  const c = libc()
  const fd = c.memfdCreate(NAME)
  if (fd < 0) return -1
  try {
    if (c.ftruncate(fd, TEAM.bytes) !== 0) return -1
    const flags = MAP.shared | MAP.fixedNoReplace
    const at = c.mmap(ADDRESS, TEAM.bytes, PROT.read | PROT.write, flags, fd)
    if (at === ADDRESS) return at
    // Systems before Linux 4.17 take the address for a hint.
    if (at >= 0) c.munmap(at, TEAM.bytes)
    return isMapped(readText('/proc/self/maps') ?? '', ADDRESS, NAME) ? ADDRESS : -1
  } finally {
    c.close(fd)
  }
}

function mapOwn(): number {
  const c = libc()
  const flags = MAP.private | MAP.anonymous
  return c.mmap(0, TEAM.bytes, PROT.read | PROT.write, flags, -1)
}

/** The team's page, which stays mapped as long as the process lives. */
export function mapTeamPage(): TeamPage {
  let address = mapShared()
  if (address < 0) address = mapOwn()
  if (address < 0) {
    throw new DeviceError('x64', 'a page of memory', errnoName(libc().errno()))
  }
  const buffer = viewOf(address, TEAM.bytes)
  return { address, words: new Int32Array(buffer), bytes: new Uint8Array(buffer) }
}
