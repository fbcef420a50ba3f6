export type { KeyVersion, StoredKey, VersionState } from './key-store.js'
export {
  type CertificateOptions,
  makeCertificate,
  type ServerIdentity,
} from './make-certificate.js'
export { NaeTestServer, type NaeTestServerOptions } from './nae-test-server.js'
export type { ApplianceSettings, Behaviour, TestUser } from './settings.js'
