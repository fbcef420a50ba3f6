/**
 * Makes `backup-v1.ktbackup`, `backup-v1.identity` and `backup-v1.json` from docs/formats/backup.md alone, without the code
 * that reads them. What is inside is the same whenever this runs; age's encryption is not, so the file is made once and kept:
 * every later release must read it. A change of the format is another vector beside it.
 *
 *   node apps/keytrustee/test/backup/vectors/make.mjs
 */
import { createHash } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

const folder = new URL('./', import.meta.url)
const file = (name) => new URL(name, folder)

const uuid = (number) => `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`
const hex = (digit, length = 64) => digit.repeat(length)
const at = '2026-11-22 10:15:00+00'

/** Rows in the text form of COPY: tab-separated, `\N` for null, `\\x` begins bytes. */
const rows = (...lines) => lines.map((fields) => `${fields.join('\t')}\n`).join('')

/** Of schema 7, those referred to first. */
const tables = [
  {
    name: 'organisations',
    columns: ['uuid', 'name', 'state', 'auth_hash', 'contacts', 'created_at', 'grant_mac', 'open'],
    text: rows([uuid(1), 'vector', 'active', '\\N', '{ops@example.com}', at, 'mac-1', 'f']),
  },
  {
    name: 'clients',
    columns: [
      ...['uuid', 'organisation', 'name', 'state', 'key_fingerprint', 'identity_key', 'recipient'],
      ...['created_at', 'grant_mac'],
    ],
    text: rows([uuid(2), uuid(1), 'c1', 'active', hex('a'), 'key', 'age1', at, 'mac-2']),
  },
  {
    name: 'deposits',
    columns: [
      ...['uuid', 'organisation', 'owner', 'handle', 'state', 'revision', 'created_at'],
      ...['updated_at', 'undelete_until', 'grant_mac', 'policy'],
    ],
    text: rows(
      [uuid(3), uuid(1), uuid(2), 'box', 'active', 1, at, at, '\\N', 'mac-3', '{"a":"\\\\t"}'],
      [uuid(4), uuid(1), uuid(2), 'old', 'disabled', 1, at, at, at, 'mac-4', '\\N'],
    ),
  },
  {
    name: 'revisions',
    columns: [
      ...['uuid', 'deposit', 'revision', 'sealing', 'content_bytes', 'hsm_key_id', 'hsm_key_label'],
      ...['scope', 'kind', 'created_at', 'stored', 'canary', 'sealed_at'],
    ],
    text: rows(
      [
        ...[uuid(5), uuid(3), 1, 'hsm', 4, hex('b', 32), 'box-3T17-YYdn-2026-11-22', 'deposit'],
        ...['ec-p256', at, '\\\\x00010203fffe', hex('c'), at],
      ],
      [uuid(6), uuid(4), 1, 'pass-through', 2, '\\N', '\\N', '\\N', '\\N', at, '\\\\x6869', '\\N', at],
    ),
  },
]

const files = [
  { name: 'grant.key', mode: 0o600, content: 'not a grant key\n' },
  { name: 'keytrustee.properties', mode: 0o640, content: 'keytrustee.server.port=11371\n' },
]

export const manifest = {
  madeAt: '2026-11-22T10:15:00.000Z',
  version: '0.1.0',
  schema: 7,
  folder: '/var/lib/keytrustee/.keytrustee',
  serverFingerprint: hex('d'),
  auditHead: { sequence: 42, hash: hex('e') },
  join: { realm: 'default', canary: hex('c'), domain: hex('f', 32) },
}

const totals = {
  files: files.length,
  tables: tables.map(({ name, text }) => ({
    name,
    rows: text.split('\n').length - 1,
    sha256: createHash('sha256').update(text).digest('hex'),
  })),
  scopes: [
    { organisation: 'vector', scope: 'deposit', revisions: 1, hsmKeys: 1 },
    { organisation: 'vector', scope: 'none', revisions: 1, hsmKeys: 0 },
  ],
}

/** What is compressed and encrypted. */
export function formatFrames() {
  return Buffer.concat([
    Buffer.from('keytrustee-backup 1\n'),
    part({ part: 'manifest', name: 'backup', ...manifest }),
    ...files.map(({ content, ...header }) => part({ part: 'file', ...header }, content)),
    ...tables.map(({ text, ...header }) => part({ part: 'table', ...header }, text)),
    part({ part: 'hsm-keys', name: 'backup' }, `${hex('b', 32)}\tdeposit\tec-p256\t1\n`),
    part({ part: 'totals', name: 'backup', ...totals }),
  ])
}

/** A line of JSON, then chunks with their length before them; in two chunks where there is something to cut. */
function part(header, text = '') {
  const bytes = Buffer.from(text)
  const middle = Math.ceil(bytes.length / 2)
  const chunks = [bytes.subarray(0, middle), bytes.subarray(middle)].filter(({ length }) => length)
  return Buffer.concat([
    Buffer.from(`${JSON.stringify(header)}\n`),
    ...chunks.flatMap((chunk) => [lengthOf(chunk), chunk]),
    lengthOf(''),
  ])
}

function lengthOf({ length }) {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(length)
  return bytes
}

export function expected() {
  const sha256 = createHash('sha256').update(formatFrames()).digest('hex')
  return `${JSON.stringify({ framesSha256: sha256, manifest, totals }, undefined, 2)}\n`
}

if (import.meta.url === `file://${process.argv[1]}`) await make()

async function make() {
  if (existsSync(file('backup-v1.ktbackup'))) throw new Error('the vector is frozen')
  const { Encrypter, generateIdentity, identityToRecipient } = await import('age-encryption')
  const identity = await generateIdentity()
  const encrypter = new Encrypter()
  encrypter.addRecipient(await identityToRecipient(identity))
  writeFileSync(file('backup-v1.identity'), `${identity}\n`)
  writeFileSync(file('backup-v1.json'), expected())
  writeFileSync(file('backup-v1.ktbackup'), await encrypter.encrypt(gzipSync(formatFrames())))
}
