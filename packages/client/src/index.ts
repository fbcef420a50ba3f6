export {
  type HsmKeyEntry,
  KeyHsmClient,
  type OpenRequest,
  type PartitionDescription,
  type SealedDeposit,
  type SealRequest,
} from './keyhsm-client.js'
export { noRetry, patient, type RetryPolicy, withRetry } from './retry.js'
export { ConnectionFault, mayHaveBeenProcessed } from './transport/faults.js'
export { fetchServerCertificate } from './transport/fetch-server-certificate.js'
export { fingerprintOf, splitPem, type TlsPins } from './transport/server-check.js'
export {
  type CallOptions,
  originOf,
  Transport,
  type TransportOptions,
} from './transport/transport.js'
export {
  type Deposit,
  type Enrolment,
  type PutCondition,
  type PutRequest,
  type PutScope,
  type Retrieved,
  type Self,
  TrusteeClient,
} from './trustee-client.js'
