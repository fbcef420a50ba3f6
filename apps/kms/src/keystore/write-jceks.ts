/** Writes a keystore in Java's JCEKS format, readable by Hadoop's own provider. @see docs/formats/hadoop-keystore.md */
import { encryptWithPassword, formatParameters, iterations } from './password-cipher.js'
import { digestOf } from './keystore-digest.js'
import { jceksHead, protection } from './read-jceks.js'
import { int, utf, writeSealed } from './write-java-objects.js'

/** A key of the store, serialised; wiped when it is written. */
export interface PlainEntry {
  readonly alias: string
  readonly storedAt: Date
  readonly serialised: Buffer
}

export interface Protection {
  /** Printable ASCII; protects the entries and the whole. */
  readonly password: string
  /** Of the digest that makes a key of the password; Java's own number when absent. */
  readonly rounds?: number
}

export function writeJceks(entries: readonly PlainEntry[], o: Protection): Buffer {
  const magic = Buffer.alloc(4)
  magic.writeUInt32BE(jceksHead.magic)
  const content = Buffer.concat([
    magic,
    int(jceksHead.version),
    int(entries.length),
    ...entries.map((entry) => writeEntry(entry, o)),
  ])
  return Buffer.concat([content, digestOf(content, o.password)])
}

function writeEntry({ alias, storedAt, serialised }: PlainEntry, o: Protection): Buffer {
  const { parameters, encrypted } = encryptWithPassword(serialised, {
    password: o.password,
    rounds: o.rounds ?? iterations,
  })
  serialised.fill(0)
  const time = Buffer.alloc(8)
  time.writeBigInt64BE(BigInt(storedAt.getTime()))
  const sealed = writeSealed({
    parameters: formatParameters(parameters),
    encrypted,
    algorithm: protection,
  })
  return Buffer.concat([int(jceksHead.secretKey), utf(alias), time, sealed])
}
