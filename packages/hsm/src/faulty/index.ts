export {
  type ConnectedFault,
  connectFaulty,
  faultyHsm,
  type FaultyMode,
  faultyModes,
} from './faulty-hsm.js'
export { type Interruptible, interruptible } from './interruptible-hsm.js'
