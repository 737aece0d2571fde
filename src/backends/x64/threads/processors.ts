// How many threads this process may keep busy: processors it may run on, and the share of them that its
// control group may use.

import { builtin, environment, readText } from '../../../base/node.js'

interface OperatingSystem {
  availableParallelism?(): number
  cpus(): readonly unknown[]
}

/** The most threads a team has. */
export const MOST_THREADS = 128

/** Processors' worth of time that `cpu.max` (`quota period`, in microseconds) allows. */
export function quotaOf(text: string): number {
  const [quota, period] = text.trim().split(/\s+/).map(Number)
  if (!quota || !period || !(quota > 0) || !(period > 0)) return Number.POSITIVE_INFINITY
  return quota / period
}

/** The tightest limit of the control groups this process is in. */
export function groupLimit(read: (path: string) => string | null = readText): number {
  let least = Number.POSITIVE_INFINITY
  const take = (text: string | null): void => {
    if (text !== null) least = Math.min(least, quotaOf(text))
  }
  for (const line of (read('/proc/self/cgroup') ?? '').split('\n')) {
    const [, controllers, group] = line.split(':')
    if (group === undefined) continue
    // Version 2 has one hierarchy, without controllers' names; every group above limits as well.
    const second = controllers === ''
    if (!second && !controllers?.split(',').includes('cpu')) continue
    for (let path = group; ; path = path.slice(0, path.lastIndexOf('/'))) {
      if (path === '/') path = ''
      if (second) take(read(`/sys/fs/cgroup${path}/cpu.max`))
      else {
        const dir = `/sys/fs/cgroup/cpu${path}`
        const quota = read(`${dir}/cpu.cfs_quota_us`)
        if (quota !== null) take(`${quota.trim()} ${read(`${dir}/cpu.cfs_period_us`)}`)
      }
      if (path === '') break
    }
  }
  return least
}

/** Processors this process may keep busy. */
export function processors(): number {
  const os = builtin<OperatingSystem>('node:os')
  const all = os?.availableParallelism?.() ?? os?.cpus().length ?? 1
  return Math.max(1, Math.min(all, Math.ceil(groupLimit())))
}

/** Threads to use unless told otherwise: `TESSERA_THREADS`, or what the system lets us have. */
export function defaultThreads(): number {
  const asked = Number(environment('TESSERA_THREADS'))
  if (Number.isInteger(asked) && asked > 0) return Math.min(asked, MOST_THREADS)
  return Math.min(processors(), MOST_THREADS)
}
