// The program `tessera`.

// For its effect: the devices of this machine are registered with the tensors.
import '../tensor/tensor.js'
import { main } from './main.js'

process.exitCode = await main(process.argv.slice(2))
