export { kmsMeters } from './metrics/gauges.js'
export { program } from './program.js'
