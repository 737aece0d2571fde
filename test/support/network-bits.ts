// Trains every kind of network for some steps and prints the losses to the last bit, as JSON.

import { currentDeviceName, getNumThreads } from 'tessera'
import { lossesOf, NETWORK_NAMES } from './networks.js'

const losses = Object.fromEntries(NETWORK_NAMES.map((name) => [name, lossesOf(name)]))
console.log(JSON.stringify({ device: currentDeviceName(), threads: getNumThreads(), losses }))
