/** Serialises the three classes that Hadoop's keystore provider reads. @see Java Object Serialization Specification §6.4 */
import { firstReference, javaFlags, javaTags } from './java-objects.js'
import { encodeModifiedUtf8 } from './modified-utf8.js'

/** serialVersionUID of each class: Java refuses another one. observed: JDK 17, Hadoop 3.4 */
const uids = {
  sealed: -3650226485480866989n,
  sealedParent: 4482838265551344752n,
  bytes: -5984413125824719648n,
  secretKey: 6577238317307289933n,
  metadata: 8405872419967874451n,
} as const
const streamHead = Buffer.from('aced0005', 'hex')
const text = 'Ljava/lang/String;'
const end = Buffer.from([javaTags.endBlock])
const none = Buffer.from([javaTags.null])

/** A `javax.crypto.spec.SecretKeySpec`. Holds the material: wipe it. */
export function writeSecretKey(algorithm: string, material: Buffer): Buffer {
  const fields = [field('L', 'algorithm', writeText(text)), field('[', 'key', writeText('[B'))]
  const described = describe('javax.crypto.spec.SecretKeySpec', uids.secretKey, {
    flags: javaFlags.serializable,
    fields,
    parent: none,
  })
  return writeObject(described, writeText(algorithm), writeBytes(material))
}

/** The provider's own class around a key's description, which writes its length and JSON by itself. */
export function writeKeyMetadata(json: Buffer): Buffer {
  const type = writeText('Lorg/apache/hadoop/crypto/key/KeyProvider$Metadata;')
  const described = describe(
    'org.apache.hadoop.crypto.key.JavaKeyStoreProvider$KeyMetadata',
    uids.metadata,
    {
      flags: javaFlags.serializable | javaFlags.writeMethod,
      fields: [field('L', 'metadata', type)],
      parent: none,
    },
  )
  const length = Buffer.alloc(4)
  length.writeInt32BE(json.length)
  return writeObject(described, writeBlock(Buffer.concat([length, json])), end)
}

/** What JCEKS stores: a protected object with its parameters. */
export function writeSealed(o: {
  readonly parameters: Buffer
  readonly encrypted: Buffer
  readonly algorithm: string
}): Buffer {
  // References count what came before: the class (0), its parent (1), and the types of its fields (2 and 3).
  const bytesType = reference(2)
  const textType = reference(3)
  const parent = describe('javax.crypto.SealedObject', uids.sealedParent, {
    flags: javaFlags.serializable,
    fields: [
      field('[', 'encodedParams', writeText('[B')),
      field('[', 'encryptedContent', bytesType),
      field('L', 'paramsAlg', writeText(text)),
      field('L', 'sealAlg', textType),
    ],
    parent: none,
  })
  const described = describe('com.sun.crypto.provider.SealedObjectForKeyProtector', uids.sealed, {
    flags: javaFlags.serializable,
    fields: [],
    parent,
  })
  const values = [writeBytes(o.parameters), writeBytes(o.encrypted), writeText(o.algorithm)]
  return writeObject(described, ...values, writeText(o.algorithm))
}

function writeObject(described: Buffer, ...content: readonly Buffer[]): Buffer {
  return Buffer.concat([streamHead, Buffer.from([javaTags.object]), described, ...content])
}

function describe(
  name: string,
  uid: bigint,
  o: { readonly flags: number; readonly fields: readonly Buffer[]; readonly parent: Buffer },
): Buffer {
  const id = Buffer.alloc(8)
  id.writeBigInt64BE(uid)
  const head = [Buffer.from([javaTags.classDescription]), utf(name), id, Buffer.from([o.flags])]
  return Buffer.concat([...head, short(o.fields.length), ...o.fields, end, o.parent])
}

function field(type: '[' | 'L', name: string, typeName: Buffer): Buffer {
  return Buffer.concat([Buffer.from(type), utf(name), typeName])
}

function writeBytes(bytes: Buffer): Buffer {
  const described = describe('[B', uids.bytes, {
    flags: javaFlags.serializable,
    fields: [],
    parent: none,
  })
  return Buffer.concat([Buffer.from([javaTags.array]), described, int(bytes.length), bytes])
}

function writeText(value: string): Buffer {
  return Buffer.concat([Buffer.from([javaTags.string]), utf(value)])
}

/** One block holds at most 255 bytes in its short form. */
function writeBlock(bytes: Buffer): Buffer {
  return bytes.length < 256
    ? Buffer.concat([Buffer.from([javaTags.block, bytes.length]), bytes])
    : Buffer.concat([Buffer.from([javaTags.longBlock]), int(bytes.length), bytes])
}

function reference(index: number): Buffer {
  return Buffer.concat([Buffer.from([javaTags.reference]), int(firstReference + index)])
}

/** As java.io.DataOutput.writeUTF. */
export function utf(value: string): Buffer {
  const bytes = encodeModifiedUtf8(value)
  return Buffer.concat([short(bytes.length), bytes])
}

function short(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}

/** Big-endian, as everything here. */
export function int(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}
