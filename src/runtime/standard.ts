// The devices tessera ships with, best first.

import { ReferenceDevice, referenceInfo } from '../backends/reference/device.js'
import { WasmDevice, wasmAvailable } from '../backends/wasm/device.js'
import { X64Device, x64Available } from '../backends/x64/device.js'
import { mayEngineCompile } from '../backends/x64/native/engine.js'
import { registerDevice } from './devices.js'

registerDevice({
  name: 'x64',
  probe: x64Available,
  create: () => new X64Device(),
})
registerDevice({
  name: 'wasm',
  probe: () =>
    mayEngineCompile()
      ? wasmAvailable()
      : { name: 'wasm', available: false, detail: 'the system forbids to make executable memory' },
  create: () => new WasmDevice(),
})
registerDevice({
  name: 'reference',
  probe: referenceInfo,
  create: () => new ReferenceDevice(),
})
