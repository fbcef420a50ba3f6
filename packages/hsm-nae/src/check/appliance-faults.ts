/**
 * What can be wrong with an appliance, its settings or the way to it, each with the manual's remedy where the manual has
 * one. `message` says what was seen, `remedy` what to do.
 */
import type { LinkError, LinkFault } from '../failure.js'

interface FaultRow {
  readonly message: string
  readonly remedy: string
}

export const applianceFaults = {
  'unknown-host': {
    message: 'the host name cannot be resolved',
    remedy: 'check the name, or give the IP address',
  },
  refused: {
    message: 'nothing listens on that port',
    remedy: 'check the port, and that the NAE-XML interface of the appliance is running',
  },
  'no-answer': {
    message: 'the appliance does not answer',
    remedy: 'check address, port and firewalls',
  },
  lost: {
    message: 'the appliance closes the connection without an answer',
    remedy:
      'set the protocol of the port to NAE-XML, and check that the port is that of the NAE interface',
  },
  'not-tls': {
    message: 'the port does not speak TLS',
    remedy: 'answer n to "Use SSL?", or better: allow SSL for the NAE interface of the appliance',
  },
  'tls-only': {
    message: 'the port speaks only TLS',
    remedy: 'answer Y to "Use SSL?"',
  },
  'tls-failed': {
    message: 'no TLS connection could be agreed on',
    remedy: 'the appliance must offer TLS 1.2 or newer with an AEAD cipher',
  },
  'certificate-changed': {
    message: 'the appliance shows another certificate than the trusted one',
    remedy: 'if the new certificate is right: run `keyhsm setup keysecure --trust-only`',
  },
  'certificate-untrusted': {
    message: 'the certificate of the appliance is not trusted',
    remedy:
      'run `keyhsm setup keysecure --trust-only` and compare the fingerprint with the appliance',
  },
  'client-certificate-required': {
    message: 'the appliance asks for a client certificate',
    remedy: 'disable Client Certificate Authentication',
  },
  'not-nae-xml': {
    message: 'the port speaks another protocol',
    remedy: 'set the protocol to NAE-XML',
  },
  'version-not-supported': {
    message: 'the appliance knows none of the protocol versions',
    remedy: 'see `keyhsm nae-probe`; name its versions in keysecure.dialect (versions=…)',
  },
  'password-not-required': {
    message: 'the appliance serves sessions that have not logged in',
    remedy: 'set Password Authentication to required',
  },
  'password-not-used': {
    message: 'the appliance takes no logins by password',
    remedy: 'set Password Authentication to required',
  },
  'login-refused': {
    message: 'the appliance refused user or password',
    remedy: 'check both; it was tried once, because appliances lock users',
  },
  'key-operations-off': {
    message: 'the appliance allows no key operations',
    remedy: 'set Allow Key and Policy Configuration Operations to enabled',
  },
  'user-may-not-create-keys': {
    message: 'the user may not create keys',
    remedy: 'give the user the right to create keys (on CipherTrust Manager: the group Key Users)',
  },
  'crypto-operations-off': {
    message: 'the appliance does no crypto operations',
    remedy: 'set KeySecure Crypto Operations to activated',
  },
  'user-may-not-delete-keys': {
    message: 'the user may not delete the key that it made',
    remedy: 'give the user the right to delete its keys: without it nothing can be revoked',
  },
  'request-refused': {
    message: 'the appliance refused a request that every release should know',
    remedy: 'run `keyhsm nae-probe` and compare the names with docs/protocols/nae-xml.md',
  },
} as const satisfies Record<string, FaultRow>

export type ApplianceFaultCode = keyof typeof applianceFaults

/** A named fault. */
export interface ApplianceFault {
  readonly code: ApplianceFaultCode
  readonly message: string
  readonly remedy: string
  /** What was seen, for the operator: address, fingerprints, the appliance's own words. No password. */
  readonly detail: string
}

/** A row of the table with what was seen. */
export function applianceFault(code: ApplianceFaultCode, detail = ''): ApplianceFault {
  return { code, ...applianceFaults[code], detail }
}

/** A fault of the connection by the same name. */
export function linkFault(error: LinkError): ApplianceFault {
  const code: Exclude<LinkFault, 'closed'> = error.fault === 'closed' ? 'lost' : error.fault
  return applianceFault(code, error.message)
}
