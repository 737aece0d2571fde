// Functions of the C library, with addresses as numbers: user space ends far below 2^53.

import { koffi, type NativeFunction } from './koffi.js'

/** Flags and request numbers of Linux on x86-64. */
export const PROT = { none: 0, read: 1, write: 2, exec: 4 } as const
export const MAP = { shared: 1, private: 2, anonymous: 0x20, fixedNoReplace: 0x100000 } as const
export const MADV = { normal: 0, hugepage: 14, noHugepage: 15, populateWrite: 23 } as const
export const ERRNO = { EPERM: 1, ENOMEM: 12, EACCES: 13, EEXIST: 17 } as const

const NAMES: Readonly<Record<number, string>> = {
  1: 'EPERM',
  11: 'EAGAIN',
  12: 'ENOMEM',
  13: 'EACCES',
  17: 'EEXIST',
  22: 'EINVAL',
}
/** An error number as people know it. */
export const errnoName = (errno: number): string => NAMES[errno] ?? `errno ${errno}`

/** What a C function takes where it wants a pointer: an address, an array, or nothing. */
export type Pointer = number | ArrayBufferView | null

export interface Libc {
  mmap(at: number, bytes: number, prot: number, flags: number, fd: number): number
  mprotect(at: number, bytes: number, prot: number): number
  munmap(at: number, bytes: number): number
  madvise(at: number, bytes: number, advice: number): number
  memcpy(to: Pointer, from: Pointer, bytes: number): void
  memfdCreate(name: string): number
  ftruncate(fd: number, bytes: number): number
  close(fd: number): number
  /** -1 if there is no such option, as with other C libraries than GNU's. */
  mallopt(option: number, value: number): number
  pthreadCreate(thread: Pointer, attributes: Pointer, start: number, argument: number): number
  pthreadDetach(thread: bigint): number
  /** Waits for a thread's end. */
  pthreadJoin(thread: bigint): number
  /** As `pthreadJoin` if the thread has ended, and this C library can tell; else just an error. */
  pthreadTryjoin(thread: bigint): number
  pthreadSigmask(how: number, set: Pointer, old: Pointer): number
  pthreadSetname(thread: bigint, name: string): number
  schedGetaffinity(pid: number, bytes: number, mask: Pointer): number
  errno(): number
}

/** What a failed `mmap` returns: -1, which koffi gives as an unsigned integer. */
const MAP_FAILED = 0xffff_ffff_ffff_ffffn

let known: Libc | null = null

/** Calls that tests make fail, and with which error. */
const denied = new Map<'mmap' | 'mprotect', number>()

/** Makes a system call fail, for tests; `null` lets it work again. */
export function deny(call: 'mmap' | 'mprotect', errno: number | null): void {
  if (errno === null) denied.delete(call)
  else denied.set(call, errno)
}

/** The C library. Throws `DeviceError` where native code cannot be called. */
export function libc(): Libc {
  known ??= open()
  return known
}

function open(): Libc {
  const k = koffi()
  const library = loadFirst(['libc.so.6', 'libc.musl-x86_64.so.1'])
  const f = (definition: string): NativeFunction => library.func(definition) as NativeFunction
  const optional = (definition: string): NativeFunction | null => {
    try {
      return f(definition)
    } catch {
      return null
    }
  }
  // Pointers as integers where addresses go in: numbers need no conversion from BigInt.
  const mmap = f(
    'uint64_t mmap(uint64_t at, size_t n, int prot, int flags, int fd, int64_t offset)',
  )
  const mprotect = f('int mprotect(uint64_t at, size_t n, int prot)')
  const munmap = f('int munmap(uint64_t at, size_t n)')
  const madvise = f('int madvise(uint64_t at, size_t n, int advice)')
  const memcpy = f('void memcpy(void *to, const void *from, size_t n)')
  const memfd = f('int memfd_create(const char *name, unsigned int flags)')
  const ftruncate = f('int ftruncate(int fd, int64_t n)')
  const close = f('int close(int fd)')
  const mallopt = optional('int mallopt(int option, int value)')
  const create = f('int pthread_create(void *thread, void *attr, uint64_t start, uint64_t arg)')
  const detach = f('int pthread_detach(uint64_t thread)')
  const join = f('int pthread_join(uint64_t thread, void *result)')
  const tryjoin = optional('int pthread_tryjoin_np(uint64_t thread, void *result)')
  const sigmask = f('int pthread_sigmask(int how, void *set, void *old)')
  const setname = optional('int pthread_setname_np(uint64_t thread, const char *name)')
  const affinity = f('int sched_getaffinity(int pid, size_t n, void *mask)')
  let injected = 0
  const fails = (call: 'mmap' | 'mprotect'): boolean => {
    injected = denied.get(call) ?? 0
    return injected !== 0
  }
  const pointer = (p: Pointer): unknown => (typeof p === 'number' ? BigInt(p) : p)
  return {
    mmap: (at, bytes, prot, flags, fd) => {
      if (fails('mmap')) return -1
      const got = mmap(at, bytes, prot, flags, fd, 0) as unknown
      return got === MAP_FAILED ? -1 : Number(got)
    },
    mprotect: (at, bytes, prot) => (fails('mprotect') ? -1 : mprotect(at, bytes, prot)),
    munmap: (at, bytes) => munmap(at, bytes),
    madvise: (at, bytes, advice) => madvise(at, bytes, advice),
    memcpy: (to, from, bytes) => void memcpy(pointer(to), pointer(from), bytes),
    memfdCreate: (name) => memfd(name, 1),
    ftruncate: (fd, bytes) => ftruncate(fd, bytes),
    close: (fd) => close(fd),
    mallopt: (option, value) => (mallopt === null ? -1 : mallopt(option, value)),
    pthreadCreate: (thread, attributes, start, argument) =>
      create(pointer(thread), pointer(attributes), start, argument),
    pthreadDetach: (thread) => detach(thread),
    pthreadJoin: (thread) => join(thread, null),
    pthreadTryjoin: (thread) => (tryjoin === null ? -1 : tryjoin(thread, null)),
    pthreadSigmask: (how, set, old) => sigmask(how, set, old),
    pthreadSetname: (thread, name) => (setname === null ? -1 : setname(thread, name)),
    schedGetaffinity: (pid, bytes, mask) => affinity(pid, bytes, mask),
    errno: () => injected || k.errno(),
  }
}

function loadFirst(names: readonly string[]): ReturnType<ReturnType<typeof koffi>['load']> {
  let last: unknown = null
  for (const name of names) {
    try {
      return koffi().load(name)
    } catch (error) {
      last = error
    }
  }
  throw last
}
