// A program whose debug output goes where a test sees it: the same operations with two shapes.

import { tensor } from 'tessera'

console.error = console.log
for (const n of [1000, 2000]) tensor(new Float32Array(n).fill(1)).exp().add(1).realize()
