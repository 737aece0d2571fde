// `tessera info`: this machine, its devices, which one is used, and why not the others.

import os from 'node:os'
import type { DeviceInfo } from '../backends/device.js'
import { TesseraError } from '../base/errors.js'
import { currentDeviceName, deviceInfo, getNumThreads } from '../runtime/devices.js'
import { version } from './package.js'

/** The device in use, or why there is none. */
function choice(): { readonly name: string | null; readonly text: string } {
  const asked = process.env.TESSERA_DEVICE ?? ''
  try {
    const name = currentDeviceName()
    const threads = getNumThreads()
    const because = asked === '' ? 'the first that works' : 'as TESSERA_DEVICE says'
    return { name, text: `${name}, ${because}; ${threads} thread${threads === 1 ? '' : 's'}` }
  } catch (error) {
    if (!(error instanceof TesseraError)) throw error
    return { name: null, text: `none. ${error.message}` }
  }
}

function deviceLine(
  { name, available, detail }: DeviceInfo,
  chosen: boolean,
  width: number,
): string {
  const mark = chosen ? '*' : available ? '-' : 'x'
  return `  ${mark} ${name.padEnd(width)}  ${available ? '' : 'not used: '}${detail}`
}

/** What `tessera info` prints. */
export async function info(): Promise<string> {
  const devices = deviceInfo()
  const { name, text } = choice()
  const width = Math.max(...devices.map((d) => d.name.length))
  const model = os.cpus()[0]?.model.trim() ?? 'unknown processor'
  const gibibytes = (os.totalmem() / 2 ** 30).toFixed(1)
  return [
    `tessera ${await version()}`,
    `Node.js ${process.version}, V8 ${process.versions.v8}, ${process.platform} ${process.arch}`,
    `${model}, ${os.availableParallelism()} available, ${gibibytes} GiB of memory`,
    '',
    'Devices, best first:',
    ...devices.map((d) => deviceLine(d, d.name === name, width)),
    '',
    `In use: ${text}`,
  ].join('\n')
}
