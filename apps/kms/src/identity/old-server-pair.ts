/** The TLS pair of an old KMS: its `ssl-server.xml` says where the Java keystore is and how it opens. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { DomainError } from '@keyhsm/core'
import { type KeyedCertificate, parsePkcs12 } from '@keyhsm/service'
import { toConfiguration } from '../configuration/configuration.js'
import { broken } from '../keystore/broken.js'
import { jksMagic, openJksKey, readJks } from '../keystore/read-jks.js'

export interface OldServerPair {
  /** The text of `ssl-server.xml`. */
  readonly sslServer: string
  /** Bytes of the keystore, where it lies elsewhere than the file says. */
  readonly keystore: Buffer | undefined
  /** Needed where the keystore holds several private keys. */
  readonly alias: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
}

interface Passwords {
  readonly password: string
  readonly keyPassword: string
}

interface Entry {
  readonly alias: string
  /** Of several keys each may have a password of its own: only the one that is wanted is opened. */
  open(): KeyedCertificate
}

const names = 'ssl.server.keystore'

/** Certificate with those above it, and private key, PEM. @throws ERR_SETTINGS, ERR_NOT_AUTHENTICATED, ERR_INTEGRITY, ERR_INVALID_INPUT */
export async function readOldServerPair(o: OldServerPair): Promise<KeyedCertificate> {
  const configuration = toConfiguration(o.sslServer, 'ssl-server.xml', o.env)
  const read = (name: string) => configuration.get(`${names}.${name}`)?.text.trim() ?? ''
  const [location, password] = [read('location'), read('password')]
  if (password === '')
    throw new DomainError('ERR_SETTINGS', `the file says no ${names}.password`, {
      hints: ['one that stands in a credential store must be written into a copy of the file'],
    })
  const bytes = o.keystore ?? (await readKeystore(location))
  const passwords = { password, keyPassword: read('keypassword') || password }
  const { certificate, privateKey } = choose(await readEntries(bytes, passwords), o.alias).open()
  if (new X509Certificate(certificate).checkPrivateKey(createPrivateKey(privateKey)))
    return { certificate, privateKey }
  throw new DomainError('ERR_INTEGRITY', 'certificate and private key in the keystore are no pair')
}

async function readKeystore(location: string): Promise<Buffer> {
  if (location === '')
    throw new DomainError('ERR_SETTINGS', `the file says no ${names}.location`, { hints: [cure] })
  return readFile(location).catch((cause: unknown) => {
    const words = `the keystore ${location}, which the file names, cannot be read`
    throw new DomainError('ERR_SETTINGS', words, { cause, hints: [cure] })
  })
}

const cure = 'give the keystore: --keystore F'

/** Java tells the two formats apart by their bytes too, whatever the settings call them. */
async function readEntries(bytes: Buffer, passwords: Passwords): Promise<readonly Entry[]> {
  const isJks = bytes.length >= 4 && bytes.readUInt32BE() === jksMagic
  return isJks ? ofJks(bytes, passwords) : ofPkcs12(bytes, passwords)
}

function ofJks(bytes: Buffer, { password, keyPassword }: Passwords): readonly Entry[] {
  return readJks(bytes, password).map((entry) => ({
    alias: entry.alias,
    open() {
      const { alias, certificates } = entry
      if (certificates.length === 0) throw broken(`the key of ${alias} is without its certificate`)
      const key = openJksKey(entry, keyPassword)
      try {
        const privateKey = toPem(createPrivateKey({ key, format: 'der', type: 'pkcs8' }))
        const certificate = certificates.map((der) => new X509Certificate(der).toString())
        return { certificate: certificate.join(''), privateKey }
      } finally {
        key.fill(0)
      }
    },
  }))
}

async function ofPkcs12(bytes: Buffer, { password }: Passwords): Promise<readonly Entry[]> {
  const { keys } = await parsePkcs12(bytes, password)
  return keys.map(({ alias, certificate, chain, key }) => ({
    alias,
    open: () => ({
      certificate: [certificate, ...chain].join(''),
      privateKey: toPem(createPrivateKey({ key, passphrase: password })),
    }),
  }))
}

function toPem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString()
}

/** Java folds the case of aliases. */
function choose(entries: readonly Entry[], wanted: string | undefined): Entry {
  const [only, another] = entries.filter(
    ({ alias }) => wanted === undefined || alias.toLowerCase() === wanted.toLowerCase(),
  )
  if (only && !another) return only
  const held = entries.map(({ alias }) => alias).join(', ') || 'none'
  throw new DomainError('ERR_SETTINGS', `one private key is wanted; the keystore has: ${held}`, {
    hints: entries.length > 0 ? ['say which one: --alias A'] : [],
  })
}
