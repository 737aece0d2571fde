// The program that prints the digests of styles.ts.

import { main } from './styles.js'

await main()
