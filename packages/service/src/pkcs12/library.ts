/**
 * The library for PKCS#12, loaded when it is first needed: that costs 80 ms. And the numbers both directions share.
 * @see RFC 7292 §4.2, appendix D
 */
import type * as Asn1 from 'asn1js'
import type * as Pkijs from 'pkijs'
import { makeMacEngine } from './mac-engine.js'

export interface Pkcs12Library {
  readonly pkijs: typeof Pkijs
  readonly asn1js: typeof Asn1
  /** Goes into every call that seals or checks a file. */
  readonly engine: Pkijs.CryptoEngine
}

let loading: Promise<Pkcs12Library> | undefined

/** The library, the same one each time. */
export function loadPkcs12Library(): Promise<Pkcs12Library> {
  loading ??= load()
  return loading
}

async function load(): Promise<Pkcs12Library> {
  const [pkijs, asn1js] = await Promise.all([import('pkijs'), import('asn1js')])
  return { pkijs, asn1js, engine: makeMacEngine(pkijs) }
}

/** Kinds of bags. */
export const bagIds = {
  shroudedKey: '1.2.840.113549.1.12.10.1.2',
  certificate: '1.2.840.113549.1.12.10.1.3',
} as const

export const attributeIds = {
  friendlyName: '1.2.840.113549.1.9.20',
  localKeyId: '1.2.840.113549.1.9.21',
  /** Without it `keytool` does not list a certificate that has no key. Observed: Java 17. */
  trustedKeyUsage: '2.16.840.1.113894.746875.1.1',
} as const

/** What pkijs takes for bytes. */
export function toArrayBuffer(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer
}
