// The device contract lives beside the backends that implement it.

export type { Device, DeviceInfo, Executable } from '../backends/device.js'
export type { Program } from '../ir/program.js'
