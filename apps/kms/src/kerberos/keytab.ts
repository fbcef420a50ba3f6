/** Keytab files of MIT Kerberos, version 0x502. @see https://web.mit.edu/kerberos/krb5-latest/doc/formats/keytab_file_format.html */
import { DomainError } from '@keyhsm/core'
import { isSupported, type KerberosKey } from './encryption.js'

export interface KeytabEntry {
  /** `HTTP/host@REALM` */
  readonly principal: string
  readonly version: number
  readonly key: KerberosKey
}

/** Entries with keys that can be used here. @throws ERR_SETTINGS for another file. */
export function parseKeytab(bytes: Buffer): readonly KeytabEntry[] {
  try {
    if (bytes.readUInt16BE(0) !== 0x0502) throw notAKeytab()
    const entries: KeytabEntry[] = []
    for (let at = 2; at < bytes.length; ) {
      const size = bytes.readInt32BE(at)
      at += 4
      // A negative size is a hole that a deleted entry left.
      if (size > 0) entries.push(parseEntry(bytes.subarray(at, at + size)))
      if (size === 0) break
      at += Math.abs(size)
    }
    return entries.filter(({ key }) => isSupported(key))
  } catch (error) {
    if (error instanceof DomainError) throw error
    throw notAKeytab(error)
  }
}

function parseEntry(entry: Buffer): KeytabEntry {
  let at = 0
  const number = (length: number) => {
    at += length
    return entry.readUIntBE(at - length, length)
  }
  const counted = () => {
    const length = number(2)
    at += length
    if (at > entry.length) throw notAKeytab()
    return entry.subarray(at - length, at)
  }
  const components = number(2)
  const realm = counted().toString('utf8')
  const names = Array.from({ length: components }, () => counted().toString('utf8'))
  // Name type and time say nothing that is needed.
  at += 8
  const shortVersion = number(1)
  const type = number(2)
  const key = { type, bytes: Buffer.from(counted()) }
  const version = entry.length - at >= 4 ? number(4) || shortVersion : shortVersion
  return { principal: `${names.join('/')}@${realm}`, version, key }
}

function notAKeytab(cause?: unknown): DomainError {
  return new DomainError(
    'ERR_SETTINGS',
    'the keytab cannot be read: it is no keytab of version 0x502',
    {
      cause,
    },
  )
}
