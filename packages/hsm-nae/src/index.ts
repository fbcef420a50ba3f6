export {
  type ApplianceFault,
  type ApplianceFaultCode,
  applianceFaults,
} from './check/appliance-faults.js'
export {
  type ApplianceReport,
  type CheckApplianceOptions,
  type CheckStep,
  checkAppliance,
} from './check/check-appliance.js'
export { type ProbeOptions, type ProbeReport, probeAppliance } from './check/probe-appliance.js'
export {
  type CertificateWarning,
  checkAddress,
  fetchApplianceCertificate,
  type ServerCertificate,
} from './check/server-certificate.js'
export { connectNae } from './connect.js'
export { defaultDialect, type NaeDialect, parseDialect } from './dialect/dialect.js'
export { NaeHsm } from './nae-hsm.js'
export type { NaeLog, NaeNode, NaeOptions, NaeTimers, NaeTls } from './options.js'
