/**
 * The service's side of a Kerberos authentication: the client's AP-REQ is opened with a key of the keytab, checked, and answered with an
 * AP-REP that only this service can make.
 * @see RFC 4120 §3.2.3 receipt of KRB_AP_REQ, §5.5
 */
import { DomainError } from '@keyhsm/core'
import {
  field,
  optionalField,
  readAll,
  readFields,
  readWhole,
  tags,
  toNumber,
  toTime,
} from './der.js'
import { writeDer, writeField, writeInteger } from './write-der.js'
import { decrypt, encrypt, type KerberosKey } from './encryption.js'
import type { KeytabEntry } from './keytab.js'

/** Key usage numbers. @see RFC 4120 §7.5.1 */
const usages = { ticket: 2, apReqAuthenticator: 11, apRepPart: 12 } as const
const apReqTag = 0x6e
const apRepTag = 0x6f
/** Clocks may differ by this much. */
const maxSkewMs = 300_000

export interface Accepted {
  /** `name@REALM` or `name/instance@REALM`. */
  readonly principal: string
  /** For the client, which checks by it that this is the service it asked for. */
  readonly reply: Buffer
  /** What makes this authentication itself and no other: to refuse a second one. */
  readonly id: string
}

/** @throws ERR_NOT_AUTHENTICATED with the reason; ERR_INVALID_INPUT for what is no AP-REQ. */
export function acceptRequest(apReq: Buffer, keytab: readonly KeytabEntry[], now: Date): Accepted {
  const request = readFields(readWhole(readWhole(apReq, apReqTag), tags.sequence))
  const ticket = readTicket(field(request, 3, 0x61))
  const entry = findKey(keytab, ticket)
  const part = readTicketPart(decrypt(entry.key, usages.ticket, ticket.cipher))
  const encrypted = readEncrypted(field(request, 4, tags.sequence))
  const authenticator = readAuthenticator(
    decrypt(part.sessionKey, usages.apReqAuthenticator, encrypted.cipher),
  )
  if (authenticator.client !== part.client) throw refused('the ticket is another client’s')
  requireTimes(part, authenticator.at, now)
  return {
    principal: part.client,
    reply: writeReply(part.sessionKey, authenticator),
    id: `${part.client} ${ticket.server} ${authenticator.at.getTime()} ${authenticator.microseconds}`,
  }
}

interface Ticket {
  readonly server: string
  readonly type: number
  readonly version: number | undefined
  readonly cipher: Buffer
}

function readTicket(content: Buffer): Ticket {
  const fields = readFields(readWhole(content, tags.sequence))
  const realm = field(fields, 1, tags.generalString).toString('utf8')
  const encrypted = readEncrypted(field(fields, 3, tags.sequence))
  return { server: `${readName(field(fields, 2, tags.sequence))}@${realm}`, ...encrypted }
}

function readEncrypted(sequence: Buffer) {
  const fields = readFields(sequence)
  const version = optionalField(fields, 1, tags.integer)
  return {
    type: toNumber(field(fields, 0, tags.integer)),
    version: version && toNumber(version),
    cipher: field(fields, 2, tags.octetString),
  }
}

/** `name/instance` */
function readName(sequence: Buffer): string {
  const names = readAll(field(readFields(sequence), 1, tags.sequence))
  return names.map(({ content }) => content.toString('utf8')).join('/')
}

/** By the server's name, type and version in the ticket; a version that is gone from the KDC may still be in the keytab. */
function findKey(keytab: readonly KeytabEntry[], { server, type, version }: Ticket): KeytabEntry {
  const same = keytab.filter(({ principal, key }) => principal === server && key.type === type)
  const found = same.find((entry) => version === undefined || entry.version === version)
  if (found) return found
  throw refused(`no key for ${server} of this type and version is in the keytab`)
}

interface TicketPart {
  readonly client: string
  readonly sessionKey: KerberosKey
  readonly startsAt: Date
  readonly endsAt: Date
}

function readTicketPart(bytes: Buffer): TicketPart {
  const fields = readFields(readWhole(readWhole(bytes, 0x63), tags.sequence))
  const key = readFields(field(fields, 1, tags.sequence))
  const realm = field(fields, 2, tags.generalString).toString('utf8')
  const startsAt = optionalField(fields, 6, tags.generalizedTime)
  return {
    client: `${readName(field(fields, 3, tags.sequence))}@${realm}`,
    sessionKey: {
      type: toNumber(field(key, 0, tags.integer)),
      bytes: field(key, 1, tags.octetString),
    },
    startsAt: toTime(startsAt ?? field(fields, 5, tags.generalizedTime)),
    endsAt: toTime(field(fields, 7, tags.generalizedTime)),
  }
}

interface Authenticator {
  readonly client: string
  readonly at: Date
  readonly microseconds: number
  /** The time as it was written: the reply repeats it. */
  readonly rawTime: Buffer
}

function readAuthenticator(bytes: Buffer): Authenticator {
  const fields = readFields(readWhole(readWhole(bytes, 0x62), tags.sequence))
  const realm = field(fields, 1, tags.generalString).toString('utf8')
  const rawTime = field(fields, 5, tags.generalizedTime)
  return {
    client: `${readName(field(fields, 2, tags.sequence))}@${realm}`,
    at: toTime(rawTime),
    microseconds: toNumber(field(fields, 4, tags.integer)),
    rawTime,
  }
}

function requireTimes({ startsAt, endsAt }: TicketPart, at: Date, now: Date): void {
  if (Math.abs(at.getTime() - now.getTime()) > maxSkewMs) throw refused('Clock skew too great')
  if (startsAt.getTime() - now.getTime() > maxSkewMs) throw refused('Ticket not yet valid')
  if (now.getTime() - endsAt.getTime() > maxSkewMs) throw refused('Ticket expired')
}

/** The client's own time, under the session key. No subkey and no sequence number: nothing is encrypted later. */
function writeReply(key: KerberosKey, { rawTime, microseconds }: Authenticator): Buffer {
  const part = writeDer(
    0x7b,
    writeDer(
      tags.sequence,
      writeField(0, writeDer(tags.generalizedTime, rawTime)),
      writeField(1, writeInteger(microseconds)),
    ),
  )
  const encrypted = writeDer(
    tags.sequence,
    writeField(0, writeInteger(key.type)),
    writeField(2, writeDer(tags.octetString, encrypt(key, usages.apRepPart, part))),
  )
  return writeDer(
    apRepTag,
    writeDer(
      tags.sequence,
      writeField(0, writeInteger(5)),
      writeField(1, writeInteger(15)),
      writeField(2, encrypted),
    ),
  )
}

function refused(detail: string): DomainError {
  return new DomainError('ERR_NOT_AUTHENTICATED', detail)
}
