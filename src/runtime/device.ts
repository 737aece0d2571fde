// The device contract lives beside the backends that implement it.

export type { Program } from '../ir/program.js'
export type { Device, DeviceInfo, Executable } from '../backends/device.js'
