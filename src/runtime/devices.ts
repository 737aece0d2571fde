// The devices of this machine: which there are, which is used, and why not the others.

import type { Device, DeviceInfo } from '../backends/device.js'
import { DeviceError } from '../base/errors.js'
import { environment } from '../base/node.js'

/** How a device is found: by name, with a reason when it cannot be had. */
export interface DeviceProvider {
  readonly name: string
  probe(): DeviceInfo
  create(): Device
}

/** A device in use, with the integer that stands for it in plan keys. */
type InUse = Device & { readonly key: number }

const providers: DeviceProvider[] = []
const created = new Map<string, InUse>()
let chosen: InUse | null = null

/** Providers are asked in the order they were registered: best first. */
export function registerDevice(provider: DeviceProvider): void {
  providers.push(provider)
}

export const deviceInfo = (): DeviceInfo[] => providers.map((p) => p.probe())

function open(name: string): InUse {
  const known = created.get(name)
  if (known !== undefined) return known
  const provider = providers.find((p) => p.name === name)
  const names = providers.map((p) => p.name).join(', ')
  if (provider === undefined) throw new DeviceError('setDevice', `one of ${names}`, name)
  const info = provider.probe()
  if (!info.available) {
    throw new DeviceError('setDevice', `a device that works here`, `${name}: ${info.detail}`)
  }
  const device = Object.assign(provider.create(), { key: created.size })
  created.set(name, device)
  return device
}

/** Uses a device by name from now on. Throws `DeviceError` if it does not work here. */
export function setDevice(name: string): void {
  chosen = open(name)
}

/**
 * The device in use: what `TESSERA_DEVICE` or `setDevice` named, else the first that works.
 */
export function currentDevice(): InUse {
  if (chosen !== null) return chosen
  const asked = environment('TESSERA_DEVICE')
  if (asked !== undefined) {
    chosen = open(asked)
    return chosen
  }
  const first = providers.find((p) => p.probe().available)
  if (first === undefined) throw new DeviceError('device', 'a device that works here', 'none')
  chosen = open(first.name)
  return chosen
}

/** The name of the device in use. */
export const currentDeviceName = (): string => currentDevice().name

/** Threads the device in use computes with. Mirrors `torch.get_num_threads`. */
export const getNumThreads = (): number => currentDevice().threads

/**
 * Computes with `count` threads from now on. Results do not depend on it, to the bit. Throws
 * `DeviceError` for anything but a positive integer.
 */
export function setNumThreads(count: number): void {
  if (!Number.isInteger(count) || count < 1) {
    throw new DeviceError('setNumThreads', 'a positive integer', String(count))
  }
  currentDevice().threads = count
}
