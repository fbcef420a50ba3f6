/** What stands around an AP-REQ on the wire: GSS-API's frame, and mostly SPNEGO around that. @see RFC 4121 §4.1, RFC 4178 §4.2 */
import { broken, optionalField, readAll, readDer, readFields, readWhole, tags } from './der.js'
import { writeDer, writeField, writeInteger } from './write-der.js'

const gssTag = 0x60
/** 1.2.840.113554.1.2.2; some clients of Microsoft name 1.2.840.48018.1.2.2 and mean the same. */
const kerberosOids = ['2a864886f712010202', '2a864882f712010202']
const spnegoOid = '2b0601050502'
const apReqId = 0x0100
const apRepId = 0x0200
const acceptCompleted = 0

export interface NegotiatedRequest {
  readonly apReq: Buffer
  /** Puts an AP-REP into the same frames. */
  readonly wrapReply: (apRep: Buffer) => Buffer
}

/** @throws ERR_INVALID_INPUT for another mechanism or no token at all. */
export function readNegotiation(token: Buffer): NegotiatedRequest {
  const { oid, rest } = readGss(token)
  if (kerberosOids.includes(oid)) return { apReq: readApReq(rest), wrapReply: writeGss }
  if (oid !== spnegoOid) throw broken()
  const init = readFields(readWhole(readWhole(rest, 0xa0), tags.sequence))
  const mechanisms = readAll(readWhole(init.get(0) ?? Buffer.alloc(0), tags.sequence))
  const inner = optionalField(init, 2, tags.octetString)
  const offered = mechanisms[0]?.content.toString('hex') ?? ''
  // The token is for the mechanism that the client likes best; another one would have to be asked for anew.
  if (!kerberosOids.includes(offered) || !inner) throw broken()
  const own = readGss(inner)
  if (!kerberosOids.includes(own.oid)) throw broken()
  return {
    apReq: readApReq(own.rest),
    wrapReply: (apRep) => writeNegTokenResp(offered, writeGss(apRep)),
  }
}

function readGss(token: Buffer): { readonly oid: string; readonly rest: Buffer } {
  const { value, rest } = readDer(readWhole(token, gssTag))
  if (value.tag !== tags.oid) throw broken()
  return { oid: value.content.toString('hex'), rest }
}

function readApReq(framed: Buffer): Buffer {
  if (framed.length < 2 || framed.readUInt16BE(0) !== apReqId) throw broken()
  return framed.subarray(2)
}

function writeGss(apRep: Buffer): Buffer {
  const id = Buffer.alloc(2)
  id.writeUInt16BE(apRepId)
  return writeDer(gssTag, writeDer(tags.oid, Buffer.from(kerberosOids[0] ?? '', 'hex')), id, apRep)
}

function writeNegTokenResp(mechanism: string, token: Buffer): Buffer {
  return writeDer(
    0xa1,
    writeDer(
      tags.sequence,
      writeField(0, writeInteger(acceptCompleted, tags.enumerated)),
      writeField(1, writeDer(tags.oid, Buffer.from(mechanism, 'hex'))),
      writeField(2, writeDer(tags.octetString, token)),
    ),
  )
}
