/** The program as an operator runs it: real processes, a home of its own, root dropping to another user. */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { findAccount, runProgram } from '@keyhsm/command-line'
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { program } from '../../src/program.js'
import {
  makeClientCertificate,
  makeHome,
  makeRoot,
  makeSoftToken,
  type TestHome,
  testPin,
} from '../home.js'

vi.setConfig({ testTimeout: 120_000 })

const entry = new URL('../../../../bin/keyhsm', import.meta.url).pathname
const isRoot = process.getuid?.() === 0
const user = isRoot ? 'nobody' : undefined

beforeAll(() => {
  const built = new URL('../../dist/main.js', import.meta.url)
  if (!existsSync(built)) throw new Error('build apps/keyhsm first')
})

interface Run {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

async function unusedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

function environment(): NodeJS.ProcessEnv {
  const { KEYHSM_HOME: _home, KEYHSM_PIN: _pin, ...env } = process.env
  return { ...env, ...(user === undefined ? {} : { KEYHSM_USER: user }) }
}

function run({ root }: TestHome, order: string[], input = ''): Run {
  const options = { env: environment(), encoding: 'utf8', input, cwd: '/' } as const
  return spawnSync(process.execPath, [entry, ...order, '--home', root], options)
}

/** In this process, as the user of the tests: for what ends before anything is opened. */
async function runHere({ root }: TestHome, order: string[]) {
  const [stdout, stderr, stdin] = [new PassThrough(), new PassThrough(), Readable.from([])]
  const { user: _user, ...here } = program
  const io = { stdin, stdout, stderr, env: {}, isTerminal: false }
  const status = await runProgram(here, [...order, '--home', root], io)
  const read = (stream: PassThrough) => String(stream.read() ?? '')
  return { status, stdout: read(stdout), stderr: read(stderr) }
}

function runJson(home: TestHome, ...order: string[]): unknown {
  const { stdout, stderr, status } = run(home, [...order, '--json'])
  if (stdout === '') throw new Error(`status ${status}: ${stderr}`)
  return JSON.parse(stdout) as unknown
}

/** A home on a software token that the user the program drops to may enter. */
async function makeReadyHome(): Promise<TestHome> {
  const home = await makeRoot()
  await makeSoftToken(home)
  chmodSync(home.root, 0o755)
  const account = user === undefined ? undefined : findAccount(user)
  if (account) execFileSync('chown', ['-R', `${account.uid}:${account.gid}`, home.root])
  return home
}

function setUp(home: TestHome, pin = testPin, ...more: string[]): Run {
  const ports = ['--port', '0', '--management-port', '0', '--service-port', '0']
  const order = ['setup', 'soft-token', '--directory', home.tokenDirectory, ...ports]
  return run(home, [...order, '--pin-file', '-', ...more], pin)
}

function start(home: TestHome): Run {
  onTestFinished(() => void run(home, ['stop']))
  return run(home, ['start'])
}

describe('keyhsm', () => {
  it('without arguments prints the usage of the old product, and its own commands', async () => {
    const { status, stdout } = await runHere(await makeRoot(), [])
    expect(status).toBe(0)
    for (const line of [
      'keyHsm service usage:',
      '    setup <hsm name> - set up a new connection to an HSM',
      '    trust <path>     - add a trusted client certificate',
      '    validate         - validate that Key HSM is properly configured',
      '    settings         - display the current server configuration',
      '    start            - start the Key HSM proxy server',
      '    status           - show the current Key HSM server status',
      '    stop|shutdown    - force Key HSM server to shut down',
      '    reload           - reload the server (without shutdown)',
      '    debug            - start the Key HSM proxy server in debug mode',
      '    keys list|show|revoke - ',
    ]) {
      expect(stdout).toContain(`${line}`)
    }
  })

  it('without arguments says what is wrong with the configuration of the log', async () => {
    const home = await makeHome()
    const text = readFileSync(home.paths.settings, 'utf8')
    writeFileSync(home.paths.settings, `${text}keyhsm.log.level=loud\n`)
    const { status, stdout, stderr } = await runHere(home, [])
    expect(status).toBe(78)
    expect(stdout).toContain('keyHsm service usage:')
    expect(stderr).toMatch(/line \d+: keyhsm.log.level must be one of/)
    expect(stdout).not.toContain('|-')
    writeFileSync(home.paths.logback, '<configuration>\n  <appender name="FILE"/>\n')
    const faulty = await runHere(home, [])
    expect(faulty.status).toBe(78)
    expect(faulty.stdout).toMatch(
      /^\d\d:\d\d:\d\d,\d{3} \|-ERROR in \S+logback\.xml@3:1 - the XML/m,
    )
  })

  it.each([
    [['setup', 'paper'], 2, /HSM must be keysecure, thales, luna/],
    [['setup', 'soft-token', '--slot', '1', '--pin-file', '-'], 2, /--slot is not for soft-token/],
    [['setup', 'luna', '--directory', '/x', '--pin-file', '-'], 2, /--directory is not for luna/],
    [['trust'], 2, /CERT or --list or --remove/],
    [['trust', '--remove', 'x'], 2, /--remove must be a SHA-256/],
    [['keys', 'revoke', '--date', 'x'], 2, /--date must be/],
    [['strat'], 2, /start/],
    [['settings'], 78, /is not set up/],
    [['validate'], 78, /is not set up/],
    [['start'], 78, /is not set up/],
    [['status'], 69, /^/],
    [['reload'], 69, /is not running/],
  ])('refuses %j with status %i', async (order, expected, message) => {
    const home = await makeRoot()
    const { status, stderr } = await runHere(home, order)
    expect(stderr).toMatch(message)
    expect(stderr).not.toMatch(/\bat .*\.js/)
    expect(status).toBe(expected)
  })

  it('asks for the file with the PIN where nobody can be asked', async () => {
    const port = String(await unusedPort())
    const { status, stderr } = await runHere(await makeRoot(), [
      'setup',
      'soft-token',
      '--port',
      port,
    ])
    expect(stderr).toMatch(/--pin-file is needed/)
    expect(status).toBe(2)
  })

  it('is set up, trusts, validates, starts, shows keys and stops', async () => {
    const home = await makeReadyHome()
    const certificate = (await makeClientCertificate('kts1')).certificate
    writeFileSync(join(home.root, 'kts1.pem'), certificate)
    expect(setUp(home)).toMatchObject({ status: 0, stdout: expect.stringMatching(/made auth-/) })
    expect(run(home, ['trust', join(home.root, 'kts1.pem'), '--realm', 'prod'])).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/realm: prod/),
    })
    expect(run(home, ['validate']).stdout).toMatch(/Wrap and unwrap: ec-p256 :\[ Successful \]/)
    expect(run(home, ['settings']).stdout).toMatch(/^keyhsm.hardware : soft-token$/m)
    expect(start(home)).toMatchObject({
      status: 0,
      stderr: expect.stringMatching(/is ready on 127/),
    })
    expect(run(home, ['start'])).toMatchObject({ stderr: expect.stringMatching(/running/) })
    expect(runJson(home, 'status')).toMatchObject({ running: true, realms: ['prod'], keys: 3 })
    expect(run(home, ['status']).stderr).toMatch(/software token is for development only/)
    expect(runJson(home, 'trust', '--list')).toMatchObject({ certificates: [{ realm: 'prod' }] })
    expect(run(home, ['validate']).status).toBe(0)
    const key = run(home, ['audit', 'public-key']).stdout
    expect(run(home, ['stop'])).toMatchObject({ status: 0 })
    expect(run(home, ['status']).status).toBe(69)
    expect(run(home, ['audit', 'verify', '--public-key', '-'], key)).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/verified/),
    })
    if (!isRoot) return
    expect(setUp(home).stderr).toMatch(/^Dropped privileges to nobody$/m)
    const ofRoot = execFileSync('find', [home.paths.home, '-user', 'root'], { encoding: 'utf8' })
    expect(ofRoot).toBe('')
  })

  it('runs in the foreground until SIGTERM, reloads on SIGHUP and says why it does not start', async () => {
    const home = await makeReadyHome()
    setUp(home)
    const order = [entry, 'start', '--foreground', '--home', home.root]
    const child = spawn(process.execPath, order, { env: environment(), cwd: '/' })
    let words = ''
    child.stderr.on('data', (chunk: Buffer) => {
      words += chunk.toString()
    })
    const ended = new Promise((resolve) => child.once('exit', resolve))
    onTestFinished(() => void child.kill('SIGKILL'))
    await vi.waitFor(() => expect(words).toMatch(/is ready on/), { timeout: 60_000, interval: 50 })
    writeFileSync(
      home.paths.settings,
      `${readFileSync(home.paths.settings, 'utf8')}keyhsm.key.scope=service\n`,
    )
    child.kill('SIGHUP')
    const log = () => readFileSync(home.paths.logFile, 'utf8')
    await vi.waitFor(() => expect(log()).toMatch(/settings: scope/), {
      timeout: 20_000,
      interval: 50,
    })
    const second = run(home, ['start', '--foreground'])
    expect(second.stderr).toMatch(/running/)
    expect(second.status).not.toBe(0)
    child.kill('SIGTERM')
    expect(await ended).toBe(0)
    expect(existsSync(home.paths.socket)).toBe(false)
  })

  it('lists, shows and revokes keys, alone and through the service', async () => {
    const home = await makeReadyHome()
    setUp(home)
    const listed = runJson(home, 'keys', 'list') as { label: string; purpose: string }[]
    const canary = listed.find(({ purpose }) => purpose === 'canary')
    for (const running of [false, true]) {
      if (running) start(home)
      expect(runJson(home, 'keys', 'show', canary?.label ?? '')).toMatchObject(canary ?? {})
      expect(run(home, ['keys', 'revoke', canary?.label ?? '', '--yes'])).toMatchObject({
        status: 77,
        stderr: expect.stringMatching(/the partition’s own key/),
      })
      expect(run(home, ['keys', 'show', 'nothing'])).toMatchObject({ status: 1 })
    }
  })

  it('logs in once with a wrong PIN, says so, and starts again only after a person acted', async () => {
    const home = await makeReadyHome()
    setUp(home)
    const attempts = () => {
      const file = join(home.tokenDirectory, 'refused-login.json')
      const text = existsSync(file) ? readFileSync(file, 'utf8') : '{"attempts":0}'
      return (JSON.parse(text) as { attempts: number }).attempts
    }
    const wrong = setUp(home, 'wrong-pin')
    expect(wrong).toMatchObject({ status: 78, stderr: expect.stringMatching(/refused the PIN/) })
    for (const order of [['start'], ['validate'], ['start', '--foreground'], ['keys', 'list']]) {
      expect(run(home, order)).toMatchObject({
        status: 78,
        stderr: expect.stringMatching(/not tried again by itself[\s\S]*login-reset/),
      })
    }
    expect(attempts()).toBe(1)
    expect(run(home, ['status']).stderr).toMatch(/the HSM refused the login at/)
    expect(run(home, ['login-reset']).status).toBe(0)
    expect(run(home, ['validate']).status).toBe(0)
  })
})
