/**
 * The parsers of `keytrustee-kms`, that of client-sealed content among them, and inputs that they know. Where a signature or digest stands before a parser it is made anew for each
 * input: what lies behind it must hold, too.
 */
import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DomainError } from '@keyhsm/core'
import { parseAcls } from '../../apps/kms/dist/access/acls.js'
import {
  attributesOf,
  bytesOf,
  integerOf,
  parseList,
  parseObject,
  textOf,
} from '../../apps/kms/dist/api/fields.js'
import { decodeName, matchPath } from '../../apps/kms/dist/api/match-path.js'
import { parseVersionName } from '../../apps/kms/dist/api/names.js'
import { RemoteError } from '../../apps/kms/dist/api/remote-error.js'
import {
  formatIdentifier,
  formatToken,
  parseIdentifier,
  parseToken,
} from '../../apps/kms/dist/authentication/delegation-token.js'
import { findCookie, openCookie } from '../../apps/kms/dist/authentication/signed-cookie.js'
import { toConfiguration } from '../../apps/kms/dist/configuration/configuration.js'
import { readKmsSite } from '../../apps/kms/dist/configuration/kms-site.js'
import { toOldEnvironment } from '../../apps/kms/dist/configuration/old-environment.js'
import { acceptRequest } from '../../apps/kms/dist/kerberos/accept-request.js'
import { parseKeytab } from '../../apps/kms/dist/kerberos/keytab.js'
import { readNegotiation } from '../../apps/kms/dist/kerberos/negotiation.js'
import { ByteCursor } from '../../apps/kms/dist/keystore/byte-cursor.js'
import { readJavaStream } from '../../apps/kms/dist/keystore/java-objects.js'
import { parseParameters } from '../../apps/kms/dist/keystore/password-cipher.js'
import { digestBytes, digestOf } from '../../apps/kms/dist/keystore/keystore-digest.js'
import { readJceks } from '../../apps/kms/dist/keystore/read-jceks.js'
import { openJksKey, readJks } from '../../apps/kms/dist/keystore/read-jks.js'
import {
  writeKeyMetadata,
  writeSealed,
  writeSecretKey,
} from '../../apps/kms/dist/keystore/write-java-objects.js'
import { parseDescription } from '../../apps/kms/dist/migration/source-key.js'
import { EekCipher } from '../../apps/kms/dist/zone-keys/eek.js'
import { formatNamedKey, parseNamedKey } from '../../apps/kms/dist/zone-keys/zone-key.js'
import { parseAgeHeader } from '../../packages/client/dist/sealing/age-header.js'
import {
  openHybrid,
  readHybridIdentity,
  sealHybrid,
} from '../../packages/client/dist/sealing/hybrid-content.js'
import { unwrapAsOwner } from '../../packages/client/dist/sealing/own-stanza.js'
import { root } from '../lib/sources.mjs'

const text = (value) => Buffer.from(value)
const json = (value) => text(JSON.stringify(value))
const hex = (value) => Buffer.from(value, 'hex')

/** Ours are refusals: bad input was told. A RemoteError of 500 would be our own fault. */
function isRefusal(error) {
  if (error instanceof RemoteError) return error.status < 500
  return error instanceof DomainError && error.code !== 'ERR_INTERNAL'
}

const identifier = formatIdentifier({
  owner: 'alice',
  renewer: 'yarn',
  realUser: 'hdfs',
  issueDate: 1_700_000_000_000,
  maxDate: 1_700_604_800_000,
  sequenceNumber: 300,
  masterKeyId: 2,
})
const token = formatToken({ identifierBytes: identifier, password: Buffer.alloc(20), service: '' })
const secret = Buffer.alloc(32, 7)
const keystore = readFileSync(join(root, 'apps/kms/test/keystore/vectors/hadoop-3.4.jceks'))
const password = 'not a secret'
const certificateStore = readFileSync(join(root, 'apps/kms/test/keystore/vectors/server.jks'))
const [storePassword, keyPassword] = ['of the keystore', 'of the key']
/** Of the vectors of client-sealed content: everybody knows it. */
const ageIdentity = JSON.parse(
  readFileSync(join(root, 'packages/client/test/vectors/client-sealed-v1.json'), 'utf8'),
).reader
const ageReader = readHybridIdentity(ageIdentity)
const metadataClass = 'org.apache.hadoop.crypto.key.JavaKeyStoreProvider$KeyMetadata'
const property = (name, value) =>
  `<property><name>${name}</name><value>${value}</value><final>true</final></property>`

const lastChange = { kind: 'create', by: 'alice', at: 1, instance: 'one', digest: 'a' }

const all = {
  token: {
    seeds: [Buffer.from(token, 'base64url')],
    run: (bytes) => parseIdentifier(parseToken(bytes.toString('base64url')).identifierBytes),
  },
  identifier: { seeds: [identifier], run: parseIdentifier },
  cookie: {
    seeds: [
      text('u=alice&p=alice@EXAMPLE.COM&t=kerberos-dt&e=1800000000000'),
      text('u=a&p=a&t=simple-dt&i=5&e=1'),
    ],
    words: ['&s=', '&e=', 'u=', 'hadoop.auth=', '"', ';', '&'],
    run(bytes) {
      const claims = bytes.toString('utf8')
      const signature = createHmac('sha256', secret).update(claims).digest('base64')
      openCookie(`${claims}&s=${signature}`, [secret], 1_700_000_000_000)
      openCookie(findCookie(`x=1; hadoop.auth="${claims}"; ${claims}`) ?? '', [secret], 0)
    },
  },
  acl: {
    seeds: [
      text(
        `<?xml version="1.0"?><configuration>${property('hadoop.kms.acl.CREATE', 'alice,bob users')}${property('key.acl.k.MANAGEMENT', '*')}</configuration>`,
      ),
      text(
        `<configuration>${property('default.key.acl.READ', '${env.USER:-x} ${key.acl.k.ALL}')}<!-- c --></configuration>`,
      ),
    ],
    words: [
      '<property>',
      '</property>',
      '<name>',
      '<value>',
      '<![CDATA[',
      ']]>',
      '<!--',
      '&amp;',
      '&#0;',
      '${',
      '}',
      'whitelist.key.acl.',
      'hadoop.kms.blacklist.',
      '<xi:include href="x"/>',
      '<!DOCTYPE x>',
    ],
    run: (bytes) =>
      parseAcls(toConfiguration(bytes.toString('utf8'), 'kms-acls.xml', { USER: 'u' })),
  },
  environment: {
    seeds: [text('# c\nexport KMS_HTTP_PORT="16000" # d\nKMS_TEMP=/tmp\n')],
    words: ['export ', 'KMS_', '=', '"', "'", '$', '`', '\n', '#', 'KMS_CONFIG='],
    run: (bytes) => readKmsSite(toOldEnvironment(bytes.toString('utf8'), {}).values),
  },
  json: {
    seeds: [
      json({ name: 'k', cipher: 'AES/CTR/NoPadding', length: 128, attributes: { a: 'b' } }),
      json([{ versionName: 'k@0', iv: 'AAAA', encryptedKeyVersion: { material: 'AA==' } }]),
    ],
    words: ['null', '-1', '1e999', '"__proto__":', '\\u0000', '[[[[', '{}', '"length":'],
    run(bytes) {
      if (bytes[0] === 0x5b) return parseList(bytes)
      const fields = parseObject(bytes)
      for (const name of ['name', 'cipher', 'material']) textOf(fields, name)
      integerOf(fields, 'length')
      return attributesOf(fields)
    },
  },
  eek: {
    seeds: [
      json({ name: 'k', iv: 'wPFIEqurE1_gNZCuAHtg4A', material: 'eh4x2TrkY7q0hNrDFtjolQ==' }),
    ],
    words: ['==', '-_', '+/', '"iv":""', 'null'],
    run(bytes) {
      const fields = parseObject(bytes)
      const iv = bytesOf(textOf(fields, 'iv') ?? '', 'iv')
      const material = bytesOf(textOf(fields, 'material') ?? '', 'material')
      new EekCipher(secret, 'AES/CTR/NoPadding').apply({ iv, material })
    },
  },
  path: {
    seeds: [
      text('/kms/v1/key/a%2Fb/_metadata'),
      text('/kms/v1/keyversion/k%401/_eek'),
      text('/kms/v1/trustee/key/k'),
    ],
    words: ['%2F', '%', '%C3', '%00', '/_eek', '/key/', '@', '+', '//', '_reencryptbatch'],
    run(bytes) {
      const match = matchPath(bytes.toString('latin1'))
      if (match) parseVersionName(decodeName(match.encodedName, 'Java/17'))
    },
  },
  negotiation: {
    seeds: [
      hex('6012060a2a864886f71201020201006e053003a00105'),
      hex('602706062b0601050502a01d301ba00d300b06092a864886f712010202a20a0408600606062b06010505'),
    ],
    run: (bytes) => acceptRequest(readNegotiation(bytes).apReq, [], new Date(0)),
  },
  keytab: {
    seeds: [
      hex(
        `050200000042000200044b2e4f4d00044854545000016800000001000000000100120020${'00'.repeat(32)}00000001`,
      ),
    ],
    run: parseKeytab,
  },
  keystore: {
    seeds: [keystore.subarray(0, -digestBytes)],
    run: (bytes) => readJceks(Buffer.concat([bytes, digestOf(bytes, password)]), password),
  },
  jks: {
    seeds: [certificateStore.subarray(0, -digestBytes)],
    run(bytes) {
      const keys = readJks(Buffer.concat([bytes, digestOf(bytes, storePassword)]), storePassword)
      for (const key of keys) openJksKey(key, keyPassword)
    },
  },
  java: {
    seeds: [
      writeSecretKey('AES', Buffer.alloc(16)),
      writeKeyMetadata(json({ cipher: 'AES/CTR/NoPadding', bitLength: 128 })),
      writeSealed({ parameters: hex('300f'), encrypted: Buffer.alloc(8), algorithm: 'PBE' }),
    ],
    run: (bytes) => readJavaStream(new ByteCursor(bytes), new Set([metadataClass])),
  },
  parameters: {
    seeds: [hex('300f04080102030405060708020303 0d40'.replace(' ', ''))],
    run: parseParameters,
  },
  sealed: {
    seeds: [sealHybrid(Buffer.alloc(40), [], ageIdentity)],
    words: ['-> ', '--- ', 'keytrustee-own ', 'mlkem768x25519 ', '\n\n'],
    run(bytes) {
      unwrapAsOwner(ageReader, parseAgeHeader(bytes)?.stanzas ?? [])
      return openHybrid(bytes, [ageReader])
    },
    isRefusal: (error) => error.message === 'malformed stanza mlkem768x25519',
  },
  description: {
    seeds: [
      json({ cipher: 'AES/CTR/NoPadding', length: 128, created: 1, versions: 2, attributes: {} }),
      formatNamedKey({ name: 'k', deleted: [], change: lastChange }),
    ],
    words: ['"versions":', '1e309', '-0', '"__proto__"', 'null'],
    run(bytes) {
      const fields = parseObject(bytes)
      if ('format' in fields) return parseNamedKey(bytes)
      return parseDescription('k', fields, 'length')
    },
  },
}

/** @type {{ name: string, seeds: Buffer[], words?: string[], run: (bytes: Buffer) => unknown, isRefusal: (error: unknown) => boolean }[]} */
export const targets = Object.entries(all).map(([name, target]) => ({ name, isRefusal, ...target }))
