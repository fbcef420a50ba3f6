export { backUpClient, restoreClient } from './identity/client-backup.js'
export {
  type AuditLogHead,
  type HsmKeyEntry,
  KeyHsmClient,
  type OpenRequest,
  type PartitionDescription,
  type SealedDeposit,
  type SealRequest,
  type ToMove,
} from './keyhsm-client.js'
export { type ConnectedClient, connectTrustee, type PutOptions } from './connect-trustee.js'
export { approveRequest, askTrustees, type RetrievalRequest } from './peers/approve-request.js'
export {
  addPin,
  findPeers,
  identityFingerprint,
  isPinOf,
  type Peer,
  type Pins,
  recipientsOf,
  requirePinned,
} from './peers/peers.js'
export { findReaders, openAsClient, type OpeningAid, sealAsClient } from './sealing/as-client.js'
export { changeServers } from './identity/change-servers.js'
export { renewClient, renewWhenDue } from './identity/renew-when-due.js'
export { noRetry, patient, type RetryPolicy, withRetry } from './retry.js'
export { ConnectionFault, mayHaveBeenProcessed } from './transport/faults.js'
export { fetchServerCertificate } from './transport/fetch-server-certificate.js'
export { readBody } from './transport/read-body.js'
export { findServerFault } from './transport/probe-server.js'
export { fingerprintOf, splitPem, type TlsPins } from './transport/server-check.js'
export { RenewedCalls } from './transport/renewed-calls.js'
export { type Calls, openCalls, originsOf } from './transport/servers.js'
export {
  type CallOptions,
  originOf,
  Transport,
  type TransportOptions,
} from './transport/transport.js'
export {
  type Deposit,
  type Policy,
  type Purged,
  type Enrolment,
  type PutCondition,
  type PutRequest,
  type PutScope,
  type Retrieved,
  type Self,
  TrusteeClient,
} from './trustee-client.js'
export { makeCertificateRequest } from './identity/certificate-request.js'
export {
  anotherRecovery,
  registerClient,
  type Registered,
  type Registration,
} from './identity/register-client.js'
export { formatFingerprint, recogniseServers } from './identity/first-contact.js'
export {
  checkIssuedCertificate,
  findClientSettings,
  type LocalClient,
  readLocalClient,
  writeLocalClient,
} from './identity/client-folder.js'
export { type ClientKeys, makeClientKeys, readClientKeys } from './identity/client-keys.js'
export {
  type ClientSettings,
  defaultMaxContentBytes,
  type Pin,
} from './identity/client-settings.js'
export { createPrivateFile, writePrivateFile } from './identity/private-files.js'
export { type OpenedContent, type OpeningOrder, openAsReader } from './sealing/open-as-reader.js'
export {
  fingerprintOfRecipient,
  makeRecoveryIdentity,
  parseIdentities,
} from './sealing/recovery.js'
export { kindOfRecipients, type RecipientKind } from './sealing/recipients.js'
export { isAgeFile, type SealingOrder, sealForReaders } from './sealing/seal-for-readers.js'
export type { Statement } from './sealing/statement.js'
export {
  formatWriterKey,
  identityFingerprintOfRaw,
  parseWriterKey,
  parseWriterPin,
} from './sealing/writer-key.js'
export { findRecipient, makeAgeIdentity } from './sealing/age-identity.js'
export {
  type AgeKey,
  type AgeReaders,
  decryptStream,
  encryptStream,
  parseIdentityFile,
  parseRecipientsFile,
} from './sealing/age-stream.js'
