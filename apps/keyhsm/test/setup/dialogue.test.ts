/** Setup as a person has it, with the answers typed by the test: what is asked, checked, asked again and left alone. */
import { readFile, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import { runProgram } from '@keyhsm/command-line'
import { readRefusedLogins } from '@keyhsm/hsm'
import {
  makeCertificate,
  NaeTestServer,
  type NaeTestServerOptions,
} from '@keyhsm/hsm-nae/test-server'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { readConfiguration } from '../../src/configuration.js'
import { readKeystore } from '../../src/keystore.js'
import { program } from '../../src/program.js'
import { makeRoot, makeSoftToken, type TestHome, testPin } from '../home.js'

vi.setConfig({ testTimeout: 30_000 })

const otherPorts = ['--management-port', '0', '--service-port', '0']

interface Played {
  readonly status: number
  /** Everything on the terminal, questions and answers included; hidden answers are `<hidden>`. */
  readonly screen: string
}

/** Runs a command with somebody who types `answers`, one a question; a missing one is the end of the person's patience. */
async function play({ root }: TestHome, order: string[], answers: string[]): Promise<Played> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const left = [...answers]
  let screen = ''
  for (const stream of [stdout, stderr]) stream.on('data', (chunk) => (screen += String(chunk)))
  const type = (prompt: string, shown: (answer: string) => string) => {
    const answer = left.shift()
    if (answer === undefined) return Promise.reject(new Error(`not expected: ${prompt}`))
    stderr.write(`${prompt}${shown(answer)}\n`)
    return Promise.resolve(answer)
  }
  const { user: _user, ...here } = program
  const status = await runProgram(here, [...order, '--home', root], {
    stdin: Readable.from([]),
    stdout,
    stderr,
    env: {},
    isTerminal: true,
    ask: (prompt) => type(prompt, (answer) => answer),
    askSecret: (prompt) => type(prompt, () => '<hidden>'),
  })
  if (left.length > 0) screen += `not asked for: ${left.length}\n`
  return { status, screen }
}

async function makeToken(): Promise<TestHome> {
  const home = await makeRoot()
  await makeSoftToken(home)
  return home
}

function softToken({ tokenDirectory }: TestHome, ...more: string[]): string[] {
  return ['setup', 'soft-token', '--directory', tokenDirectory, ...otherPorts, ...more]
}

const settingsOf = ({ paths }: TestHome) => readFile(paths.settings, 'utf8')
const absent = { code: 'ENOENT' }

async function takePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const address = server.address()
  return typeof address === 'object' && address ? address.port : 0
}

describe('the dialogue', () => {
  it('asks in the manual’s words and takes the defaults for empty lines', async () => {
    const home = await makeToken()
    const { status, screen } = await play(home, softToken(home, '--port', '0'), ['', testPin])
    expect(screen).toContain('SSL listener IP address: [127.0.0.1]\nWill attempt to setup listener')
    expect(status).toBe(0)
    const again = await play(home, softToken(home), ['', '', ''])
    expect(again.screen).toContain('PORT number: [0]\nvalidate Port: :[ Successful ]\n')
    expect(again.status).toBe(0)
    expect(again.screen).not.toContain(testPin)
    const { pin } = (await readConfiguration(home.paths)).backends[0]
    expect(pin.expose((bytes) => bytes.toString())).toBe(testPin)
  })

  it('says why an answer fails and asks again, three times', async () => {
    const home = await makeToken()
    const taken = String(await takePort())
    const answers = ['localhost', '203.0.113.7', '127.0.0.1', 'x', taken, '0', testPin]
    const { status, screen } = await play(home, softToken(home), answers)
    expect(screen).toMatch(/address must be an IP address/)
    expect(screen).toMatch(/cannot listen on 203.0.113.7: that is no address of this machine/)
    expect(screen).toMatch(/port must be a whole number/)
    expect(screen).toMatch(/validate Port: :\[ Failed \]\nkeyhsm: cannot listen .* another program/)
    expect(status).toBe(0)
    const tired = await play(await makeToken(), softToken(home), ['a', 'b', 'c'])
    expect(tired.status).toBe(2)
    expect(tired.screen.match(/must be an IP address/g)).toHaveLength(3)
  })

  it('logs in once for each password that was typed, and ends after the third', async () => {
    const home = await makeToken()
    const order = softToken(home, '--address', '127.0.0.1', '--port', '0')
    const right = await play(home, order, ['wrong 1', testPin])
    expect(right.status).toBe(0)
    const attempts = async () => (await readRefusedLogins(home.tokenDirectory)).attempts
    expect(await attempts()).toBe(0)
    const before = await settingsOf(home)
    const { status, screen } = await play(home, order, ['wrong 1', 'wrong 2', 'wrong 3'])
    expect(status).toBe(78)
    expect(screen.match(/refused/g)?.length).toBeGreaterThanOrEqual(3)
    expect(await attempts()).toBe(3)
    expect(await settingsOf(home)).toBe(before)
    expect(screen).not.toContain('wrong')
  })

  it('leaves everything as it was when the person ends it', async () => {
    const home = await makeToken()
    const { status } = await play(home, softToken(home), ['', '0'])
    expect(status).not.toBe(0)
    await expect(stat(home.paths.settings)).rejects.toMatchObject(absent)
  })

  it('warns of an address that the network can reach', async () => {
    const home = await makeToken()
    const { screen } = await play(home, softToken(home, '--port', '0'), ['0.0.0.0', testPin])
    expect(screen).toMatch(/warning: 0.0.0.0 can be reached from the network/)
  })

  it('asks for the keystore’s password once the settings want one, twice and six characters', async () => {
    const home = await makeToken()
    const order = softToken(home, '--port', '0')
    await play(home, order, ['', testPin])
    const text = await settingsOf(home)
    await writeFile(home.paths.settings, `${text}keyhsm.keystore.password.set=yes\n`)
    const answers = ['short', 'marked-ks-1', 'other', 'marked-ks-1', 'marked-ks-1', '', '']
    const { status, screen } = await play(home, order, answers)
    expect(screen).toMatch(/at least 6 characters/)
    expect(screen).toMatch(/not the same both times/)
    expect(status).toBe(0)
    expect((await readKeystore(home.paths.keystore, {}))?.passphrase).toBe('marked-ks-1')
    expect(await settingsOf(home)).toMatch(/^keyhsm.keystore.password.set=no$/m)
    const after = await play(home, order, ['', ''])
    expect(after.status).toBe(0)
  })
})

describe('the dialogue with a KeySecure', () => {
  const password = 'marked-nae-1'

  async function startServer(options: Partial<NaeTestServerOptions> = {}, speaksTls = true) {
    const users = [{ name: 'keyhsm', password, mayCreateKeys: true }]
    const tls = speaksTls ? { tls: makeCertificate() } : {}
    const server = await NaeTestServer.start({ users, ...tls, ...options })
    onTestFinished(() => server.close())
    return { server, port: String(server.addresses[0]?.port) }
  }

  const order = ['setup', 'keysecure', '--address', '127.0.0.1', '--port', '0', ...otherPorts]
  const quick = [...order, '--kind', 'rsa-2048']

  it('trusts nobody by an empty line, and saves nothing then', async () => {
    const home = await makeRoot()
    const { port, server } = await startServer()
    const answers = ['keyhsm', password, '127.0.0.1', port, '', '']
    const { status, screen } = await play(home, quick, answers)
    expect(screen).toMatch(/Trust this server\? \[y\/N\] \n\nTrusted server: :\[ Failed \]/)
    expect(status).toBe(1)
    expect(server.loginAttempts).toBe(0)
    await expect(stat(home.paths.settings)).rejects.toMatchObject(absent)
  })

  it('pins what was trusted; another certificate later needs --trust-only', async () => {
    const home = await makeRoot()
    const { port, server } = await startServer()
    await play(home, quick, ['keyhsm', password, '127.0.0.1', port, 'y', 'y'])
    const { device, pin } = (await readConfiguration(home.paths)).backends[0]
    expect(device).toMatchObject({ nodes: [{ port: Number(port) }], user: 'keyhsm' })
    expect(pin.expose((bytes) => bytes.toString())).toBe(password)
    const first = /^keysecure.certificate=([0-9a-f]{64})$/m.exec(await settingsOf(home))?.[1]
    await server.close()
    const other = await startServer({ port: Number(port) })
    const refused = await play(home, ['validate'], [])
    expect(refused.screen).toMatch(/shows the certificate [0-9a-f]{64}, trusted is/)
    expect(refused.screen).toContain(first)
    const trust = ['setup', 'keysecure', '--trust-only', '--force']
    const besides = await play(home, [...trust, '--user', 'other'], [])
    expect(besides.screen).toMatch(/--trust-only changes nothing else: give --user to a setup/)
    const { screen, status } = await play(home, trust, ['y'])
    expect(screen).toMatch(/Trusted server: :\[ Successful \]/)
    expect(status).toBe(0)
    expect(other.server.loginAttempts).toBeGreaterThan(0)
    expect(await settingsOf(home)).not.toContain(first)
  })

  it('keeps an earlier no to SSL for an empty line, and shows that it would', async () => {
    const home = await makeRoot()
    const { port } = await startServer({}, false)
    await play(home, quick, ['keyhsm', password, '127.0.0.1', port, 'n'])
    const again = await play(home, quick, ['', '', '', '', ''])
    expect(again.screen).toMatch(/^Use SSL\? \[y\/N\] $/m)
    expect(again.status).toBe(0)
    expect(await settingsOf(home)).toMatch(/^keysecure.ssl=no$/m)
    const back = await play(home, quick, ['', '', '', '', 'y', 'n', 'n'])
    expect(back.screen).toMatch(/the port does not speak TLS/)
  })

  it('says what is wrong with the way there, and asks again', async () => {
    const home = await makeRoot()
    const { port } = await startServer()
    const closed = String(await takePort().then((taken) => (taken > 1 ? 1 : 2)))
    const answers = ['keyhsm', password, '127.0.0.1', closed, port, 'y', 'n']
    const { screen } = await play(home, quick, answers)
    expect(screen).toMatch(/Valid address: :\[ Failed \]\nkeyhsm: nothing listens on that port/)
    expect(screen).toContain('Valid address: :[ Successful ]')
  })

  it('names a wrong setting of the appliance before anything is saved', async () => {
    const home = await makeRoot()
    const { port } = await startServer({ settings: { cryptoOperations: false } })
    const answers = ['keyhsm', password, '127.0.0.1', port, 'y', 'y']
    const { status, screen } = await play(home, quick, answers)
    expect(screen).toMatch(/set KeySecure Crypto Operations to activated/)
    expect(status).toBe(69)
    await expect(stat(home.paths.settings)).rejects.toMatchObject(absent)
  })

  it('logs in once for each password, and takes the one that is right', async () => {
    const home = await makeRoot()
    const { port, server } = await startServer()
    const answers = ['keyhsm', 'marked-bad', '127.0.0.1', port, 'y', 'y', '']
    const refused = await play(home, quick, [...answers, 'marked-bad', '', 'marked-bad'])
    expect(refused.status).toBe(78)
    expect(server.loginAttempts).toBe(3)
    const { status } = await play(home, quick, [...answers, password])
    expect(status).toBe(0)
  })
})
