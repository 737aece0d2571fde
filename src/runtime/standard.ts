// The devices tessera ships with, best first.

import { ReferenceDevice, referenceInfo } from '../backends/reference/device.js'
import { registerDevice } from './devices.js'

registerDevice({
  name: 'reference',
  probe: referenceInfo,
  create: () => new ReferenceDevice(),
})
