/** Commands that need no server, in this process: what they refuse, and what they say about files. */
import { X509Certificate } from 'node:crypto'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { runProgram } from '@keyhsm/command-line'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { initialiseFiles } from '../../src/identity/initialise-files.js'
import { pathsIn } from '../../src/paths.js'
import { program } from '../../src/program.js'
import { readLiveSettings } from '../../src/service/live-settings.js'
import { xml } from '../support/test-kms.js'

const home = mkdtempSync(join(tmpdir(), 'kms-commands-'))
const folder = join(home, 'keytrustee-kms')
const [settings, acls] = [join(folder, 'kms.properties'), join(folder, 'conf/kms-acls.xml')]
let before: { settings: string; acls: string }
beforeAll(async () => {
  await initialiseFiles(pathsIn(folder), { names: [], port: '0' })
  before = { settings: readFileSync(settings, 'utf8'), acls: readFileSync(acls, 'utf8') }
})
beforeEach(() => {
  writeFileSync(settings, before.settings)
  writeFileSync(acls, before.acls)
})
afterAll(() => rmSync(home, { recursive: true }))

async function run(...words: readonly string[]): Promise<{ status: number; said: string }> {
  const stream = new PassThrough()
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  const { user: _user, ...here } = program
  const io = { stdin: Readable.from([]), stdout: stream, stderr: stream, env: {} }
  const argv = words.includes('--home') ? words : [...words, '--home', home]
  const status = await runProgram(here, argv, { ...io, isTerminal: false })
  return { status, said: Buffer.concat(chunks).toString() }
}

describe('refusals', () => {
  it.each([
    [['start', '--home', '/nowhere'], 78, /kms\.properties cannot be read/],
    [['init', '--org', 'demo'], 2, /--server is required/],
    [['log-level', 'loud'], 2, /LEVEL must be one of debug/],
    [['keys', 'purge', 'zone/1'], 2, /nobody can be asked[\s\S]*--yes/],
    [['import', '--dry-run'], 2, /one of the two/],
    [
      ['import', '--from-kms', 'http://old/kms', '--user', 'alice'],
      2,
      /must be an address such as/,
    ],
    [
      ['import', '--from-kms', 'kms://http@127.0.0.1:1/kms', '--user', 'alice', '--negotiate'],
      2,
      /one of the three/,
    ],
  ] as const)('%j: %d', async (words, status, said) => {
    const ran = await run(...words)
    expect(ran.said).toMatch(said)
    expect(ran.status).toBe(status)
  })
})

describe('acl explain', () => {
  const explain = (user: string, op: string, ...more: readonly string[]) =>
    run('acl', 'explain', '--user', user, '--op', op, ...more)

  it('says by which rule', async () => {
    const allowed = await explain('alice', 'DECRYPT_EEK', '--key', 'zone/1', '--offline')
    expect(allowed.said).toContain('default.key.acl.DECRYPT_EEK holds alice')
    expect(allowed.status).toBe(0)
    const refused = await explain('hdfs', 'DECRYPT_EEK', '--key', 'zone/1', '--offline')
    expect(refused.said).toContain('hadoop.kms.blacklist.DECRYPT_EEK is "hdfs"')
    expect(refused.status).toBe(77)
    expect((await explain('alice', 'GET_KEYS', '--real-user', 'hive')).status).toBe(0)
  })

  it('names an operation that there is not, and the place of what is wrong in the file', async () => {
    const unknown = await explain('hdfs', 'FLY')
    expect([unknown.status, unknown.said]).toEqual([
      2,
      expect.stringContaining('--op must be one of CREATE'),
    ])
    writeFileSync(acls, '<configuration>\n<proprety/>')
    const broken = await explain('alice', 'CREATE')
    expect(broken.said).toMatch(/kms-acls\.xml:2:\d+ <proprety> is not known/)
    expect(broken.status).toBe(78)
  })
})

describe('cert import', () => {
  const keystore = join(import.meta.dirname, '../keystore/vectors/server.jks')
  const sslServer = join(home, 'ssl-server.xml')
  const write = (password: string) =>
    writeFileSync(
      sslServer,
      xml({
        'ssl.server.keystore.location': '/nowhere',
        'ssl.server.keystore.password': password,
        'ssl.server.keystore.keypassword': 'of the key',
      }),
    )
  const given = ['--ssl-server', sslServer, '--keystore', keystore, '--alias', 'kms'] as const

  it('puts the old pair in the place of its own, and changes nothing where it cannot', async () => {
    const paths = pathsIn(folder)
    const own = readFileSync(paths.tlsCertificate, 'utf8')
    write('another')
    const refused = await run('cert', 'import', ...given)
    expect([refused.status, refused.said]).toEqual([77, expect.not.stringContaining('of the key')])
    expect(readFileSync(paths.tlsCertificate, 'utf8')).toBe(own)
    write('of the keystore')
    const done = await run('cert', 'import', ...given)
    expect([done.status, done.said]).toEqual([0, expect.stringContaining('at the next start')])
    expect((await run('cert', 'import', ...given, '--json')).said).toContain('"fingerprint"')
    const { tls } = await readLiveSettings(paths)
    expect(new X509Certificate(String(tls?.cert)).subject).toBe('CN=old.example.com')
    expect(statSync(paths.tlsKey).mode & 0o777).toBe(0o600)
  })

  it('is said to be the way where the file stands beside the others', async () => {
    const path = join(folder, 'conf/ssl-server.xml')
    writeFileSync(path, '<configuration/>')
    const { remarks } = await readLiveSettings(pathsIn(folder))
    rmSync(path)
    expect(remarks).toEqual([expect.stringContaining(`cert import --ssl-server ${path} takes`)])
    expect((await readLiveSettings(pathsIn(folder))).remarks).toEqual([])
  })

  it('leaves a pair that lies elsewhere', async () => {
    write('of the keystore')
    appendFileSync(settings, 'keytrustee-kms.tls.certificate=/etc/ssl/kms.pem\n')
    const refused = await run('cert', 'import', ...given)
    expect([refused.status, refused.said]).toEqual([78, expect.stringContaining('lies elsewhere')])
  })
})

describe('plain HTTP', () => {
  const start = ['keytrustee-kms.tls=off', 'keytrustee-kms.host=0.0.0.0']

  it('is refused but for loopback, before a process is made', async () => {
    appendFileSync(settings, `${start.join('\n')}\n`)
    const refused = await run('start')
    expect(refused.said).toContain('plain HTTP is served on loopback addresses only')
    expect(refused.said).toContain('keytrustee-kms.plain-http-anywhere=true')
    expect(refused.status).toBe(78)
  })

  it('is served anywhere only where a second setting says so', async () => {
    appendFileSync(settings, `${start.join('\n')}\nkeytrustee-kms.plain-http-anywhere=true\n`)
    expect((await run('acl', 'explain', '--user', 'a', '--op', 'GET_KEYS')).status).toBe(0)
  })
})
