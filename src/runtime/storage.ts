export { type Residence, Storage } from '../backends/storage.js'
