/** Content for hybrid readers as an age file, and back. Loaded when needed, with ML-KEM: services that import this package never seal. */
import { openAgeFile, sealAgeFile } from './age-file.js'
import { type HybridIdentity, readHybridIdentity } from './hybrid-identity.js'
import { unwrapAsHybrid, wrapForHybrid } from './hybrid-stanza.js'
import { unwrapAsOwner, wrapForOwner } from './own-stanza.js'

export { readHybridIdentity }

/** @param owner identity of the writer, where it is one of the readers. @throws Error for a text with a typing error. */
export function sealHybrid(
  plain: Uint8Array,
  recipients: readonly string[],
  owner: string | undefined,
): Buffer {
  return sealAgeFile(plain, (fileKey) => [
    ...recipients.map((recipient) => wrapForHybrid(recipient, fileKey)),
    ...(owner === undefined ? [] : [wrapForOwner(readHybridIdentity(owner), fileKey)]),
  ])
}

/** Undefined when none of `identities` opens it, or it was changed. @throws Error for a malformed stanza. */
export function openHybrid(
  sealed: Uint8Array,
  identities: readonly HybridIdentity[],
): Buffer | undefined {
  const file = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength)
  return openAgeFile(file, (stanzas) => {
    for (const unwrapAs of [unwrapAsOwner, unwrapAsHybrid])
      for (const identity of identities) {
        const fileKey = unwrapAs(identity, stanzas)
        if (fileKey) return fileKey
      }
    return undefined
  })
}
