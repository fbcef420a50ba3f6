/** Setup without a person: flags, answers file, secrets, previews. */
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { runProgram } from '@keyhsm/command-line'
import { makeCertificate, NaeTestServer } from '@keyhsm/hsm-nae/test-server'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { readConfiguration } from '../../src/configuration.js'
import { program } from '../../src/program.js'
import { makeRoot, makeSoftToken, type TestHome, testPin } from '../home.js'

vi.setConfig({ testTimeout: 30_000 })

async function run(
  { root }: TestHome,
  order: string[],
  env: Record<string, string> = {},
  input = '',
) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const { user: _user, ...here } = program
  const stdin = Readable.from([Buffer.from(input)])
  const io = { stdin, stdout, stderr, env, isTerminal: false }
  const status = await runProgram(here, [...order, '--home', root], io)
  const read = (stream: PassThrough) => String(stream.read() ?? '')
  return { status, stdout: read(stdout), stderr: read(stderr) }
}

const ports = ['--port', '0', '--management-port', '0', '--service-port', '0']

async function makeToken(): Promise<TestHome> {
  const home = await makeRoot()
  await makeSoftToken(home)
  return home
}

describe('setup without a person', () => {
  it('takes its answers from a file and its password from the environment', async () => {
    const home = await makeToken()
    const answers = join(home.root, 'answers')
    await writeFile(
      answers,
      `# for every node\nport = 0\nmanagement-port = 0\nservice-port = 0\ndirectory = ${home.tokenDirectory}\nscope = service\n`,
    )
    const order = ['setup', 'soft-token', '--answers', answers, '--scope', 'organisation', '--json']
    const { status, stdout, stderr } = await run(home, order, { KEYHSM_PIN: testPin })
    expect(stderr).toBe('')
    expect(status).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ hardware: 'soft-token' })
    expect(stdout).not.toContain(testPin)
    const { settings } = await readConfiguration(home.paths)
    expect(settings).toMatchObject({ scope: 'organisation', port: 0 })
    const shown = await run(home, ['settings', '--json'])
    expect(shown.stdout).not.toMatch(/sealed:|soft-token.pin/)
    const printed = await run(home, ['settings'])
    expect(printed.stdout).toMatch(/^# Token PIN\nsoft-token.pin : sealed:v1:/m)
    expect(printed.stdout.split('\n')[0]).toBe('# keyHsm Server Configuration information:')
    expect(printed.stdout.split('\n')[1]).toBe('keyhsm.management.address : 127.0.0.1')
  })

  it.each([
    ['adress = 1', /line 1: adress is no answer; did you mean address\?/],
    ['pin = 1234', /line 1: pin may not stand here: give the password by --pin-file/],
    ['slot = 1', /--slot is not for soft-token/],
    ['hsm-env = TZ=UTC', /line 1: hsm-env stands as hsm-env.NAME = VALUE/],
    ['hsm-env.TZ = UTC', /--hsm-env is not for soft-token/],
    ['port = 99999', /port must be a whole number from 0 to 65535/],
  ])('refuses an answers file with %j', async (line, message) => {
    const home = await makeRoot()
    const answers = join(home.root, 'answers')
    await writeFile(answers, `${line}\n`)
    const order = ['setup', 'soft-token', '--answers', answers]
    const { status, stderr } = await run(home, order, { KEYHSM_PIN: testPin })
    expect(stderr).toMatch(message)
    expect(stderr).not.toContain('1234')
    expect([2, 78]).toContain(status)
  })

  it('shows what it would write, and writes nothing', async () => {
    const home = await makeRoot()
    const answers = join(home.root, 'answers')
    await writeFile(answers, 'hsm-env.ChrystokiConfigurationPath = /etc/luna\n')
    const place = ['--slot', '1', '--library', '/x.so', '--answers', answers]
    const order = ['setup', 'luna', ...place, '--dry-run', ...ports]
    const { status, stdout } = await run(home, [...order, '--pin-file', '-'], {}, 'marked-1')
    expect(status).toBe(0)
    expect(stdout).toMatch(/^keyhsm.hsm.env.ChrystokiConfigurationPath=\/etc\/luna$/m)
    expect(stdout).toMatch(/^luna.slot=1\n# Partition password\nluna.pin=\[password, sealed\]$/m)
    expect(stdout).not.toContain('marked-1')
    await expect(stat(home.paths.settings)).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(stat(home.paths.keystore)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it.each([
    ['luna', ['--token-label', 'part 1'], 'luna.token.label=part 1'],
    ['thales', ['--slot', '2'], 'thales.slot=2'],
    ['cloudhsm', ['--user', 'u', '--library-parameters', 'a b'], 'cloudhsm.library.parameters=a b'],
    [
      'nss',
      ['--library-parameters', "configdir='sql:/db'"],
      "nss.library.parameters=configdir='sql:/db'",
    ],
  ])(
    'keeps every option that %s takes, also those that a person is not asked',
    async (hsm, given, line) => {
      const home = await makeRoot()
      const order = ['setup', hsm, '--library', '/x.so', ...given, '--dry-run', ...ports]
      const { status, stdout } = await run(home, order, { KEYHSM_PIN: testPin })
      expect(status).toBe(0)
      expect(stdout.split('\n')).toContain(line)
    },
  )

  it('does not set NSS up without the parameters that name its database', async () => {
    const { status, stderr } = await run(await makeRoot(), ['setup', 'nss', ...ports], {
      KEYHSM_PIN: testPin,
    })
    expect(status).toBe(2)
    expect(stderr).toContain('--library-parameters is needed')
  })

  it('changes the password alone with --pin-only, which needs one', async () => {
    const home = await makeToken()
    const first = ['setup', 'soft-token', '--directory', home.tokenDirectory, ...ports]
    await run(home, first, { KEYHSM_PIN: testPin })
    const before = await readFile(home.paths.settings, 'utf8')
    const order = ['setup', 'soft-token', '--pin-only']
    const none = await run(home, order)
    expect(none.stderr).toMatch(/--pin-file is needed/)
    const { status } = await run(home, order, { KEYHSM_PIN: testPin })
    expect(status).toBe(0)
    const changed = (await readFile(home.paths.settings, 'utf8')).split('\n')
    const old = before.split('\n')
    const differing = changed.filter((line, at) => line !== old[at])
    expect(differing).toHaveLength(1)
    expect(differing[0]).toMatch(/^soft-token.pin=sealed:v1:/)
  })

  it('refuses whatever --pin-only and --trust-only would pass over or change besides', async () => {
    const home = await makeToken()
    const first = ['setup', 'soft-token', '--directory', home.tokenDirectory, ...ports]
    await run(home, first, { KEYHSM_PIN: testPin })
    const before = await readFile(home.paths.settings, 'utf8')
    const refused: [string[], RegExp][] = [
      [['--pin-only', '--port', '0'], /--pin-only changes nothing else: give --port to a setup/],
      [['--pin-only', '--scope', 'service'], /changes nothing else: give keyhsm.key.scope to/],
      [['--pin-only', '--trust-only'], /--pin-only or --trust-only, not both/],
      [['--trust-only'], /--trust-only is for keysecure only/],
    ]
    for (const [parts, message] of refused) {
      const order = ['setup', 'soft-token', ...parts]
      const { status, stderr } = await run(home, order, { KEYHSM_PIN: testPin })
      expect(stderr).toMatch(message)
      expect(status).toBe(2)
    }
    expect(await readFile(home.paths.settings, 'utf8')).toBe(before)
  })

  it('changes a part of what is set up only, and of the HSM that is set up', async () => {
    const home = await makeToken()
    const order = ['--pin-only', '--dry-run']
    const none = await run(home, ['setup', 'soft-token', ...order], { KEYHSM_PIN: testPin })
    expect(none).toMatchObject({ status: 78, stdout: '' })
    expect(none.stderr).toMatch(/--pin-only changes .*: nothing is set up yet/)
    const first = ['setup', 'soft-token', '--directory', home.tokenDirectory, ...ports]
    await run(home, first, { KEYHSM_PIN: testPin })
    const other = await run(home, ['setup', 'luna', ...order], { KEYHSM_PIN: testPin })
    expect(other.stderr).toMatch(/the settings are for soft-token/)
    expect(other.status).toBe(78)
  })

  it('leaves the keystore’s password alone with --pin-only, whoever gives the present one', async () => {
    const home = await makeToken()
    const first = ['setup', 'soft-token', '--directory', home.tokenDirectory, ...ports]
    await run(home, first, { KEYHSM_PIN: testPin })
    const file = join(home.paths.keystore, 'password')
    const present = (await readFile(file, 'utf8')).trim()
    await rm(file)
    const text = await readFile(home.paths.settings, 'utf8')
    await writeFile(home.paths.settings, `${text}keyhsm.keystore.password.set=yes\n`)
    const env = { KEYHSM_PIN: testPin, KEYHSM_KEYSTORE_PASSWORD: present }
    const { status, stderr } = await run(home, ['setup', 'soft-token', '--pin-only'], env)
    expect(stderr).not.toContain(present)
    expect(status).toBe(0)
    await expect(stat(file)).rejects.toMatchObject({ code: 'ENOENT' })
    expect(await readFile(home.paths.settings, 'utf8')).toMatch(/password.set=yes$/m)
  })

  it('takes over what an old product left, names what it cannot, and keeps its file', async () => {
    const home = await makeToken()
    const { paths, tokenDirectory } = home
    await mkdir(paths.home, { mode: 0o700 })
    const old =
      '# mine\nkeyhsm.server.port=0\nkeyhsm.hardware=soft-token\nsoft-token.pin=GIqhXDuZ\n'
    await writeFile(paths.settings, old)
    const unset = await run(home, ['validate'])
    expect(unset.stderr).toMatch(
      /no keystore\/settings.key that opens its passwords\nhint: .*setup/,
    )
    expect(unset.status).toBe(78)
    expect((await run(home, [])).status).toBe(0)
    const order = ['setup', 'soft-token', '--directory', tokenDirectory, ...ports.slice(2)]
    const { status, stderr } = await run(home, order, { KEYHSM_PIN: testPin })
    expect(stderr).toMatch(
      /line 4: soft-token.pin holds a password that only the program that wrote/,
    )
    expect(status).toBe(0)
    expect(await readFile(`${paths.settings}.before-setup`, 'utf8')).toBe(old)
    expect(await readFile(paths.settings, 'utf8')).toMatch(/^# mine\nkeyhsm.server.port=0\n/)
  })

  it('takes the port of the hardserver from the old product’s start script', async () => {
    const home = await makeRoot()
    await mkdir(home.paths.home, { mode: 0o700 })
    await writeFile(join(home.paths.home, 'start.sh'), 'java -DNFAST_SERVER_PORT=11500 Program\n')
    const order = ['setup', 'thales', '--library', '/x.so', '--dry-run', ...ports]
    const { stdout } = await run(home, order, { KEYHSM_PIN: 'marked-2' })
    expect(stdout).toMatch(/^thales.nfast_server_port=11500$/m)
  })
})

describe('a password changed by hand', () => {
  it('is refused with its line', async () => {
    const home = await makeToken()
    const first = ['setup', 'soft-token', '--directory', home.tokenDirectory, ...ports]
    await run(home, first, { KEYHSM_PIN: testPin })
    const text = await readFile(home.paths.settings, 'utf8')
    const line = text.split('\n').findIndex((one) => one.startsWith('soft-token.pin=')) + 1
    await writeFile(
      home.paths.settings,
      text.replace(/soft-token.pin=.*/, 'soft-token.pin=marked-3'),
    )
    const { status, stderr } = await run(home, ['validate'])
    expect(status).toBe(78)
    expect(stderr).toMatch(new RegExp(`line ${line}: soft-token.pin is not a sealed value`))
    expect(stderr).not.toContain('marked-3')
  })
})

describe('setup of a KeySecure without a person', () => {
  it('trusts by fingerprint alone', async () => {
    const home = await makeRoot()
    const password = 'marked-nae-2'
    const users = [{ name: 'keyhsm', password, mayCreateKeys: true }]
    const server = await NaeTestServer.start({ users, tls: makeCertificate() })
    onTestFinished(() => server.close())
    const port = String(server.addresses[0]?.port)
    const place = ['--user', 'keyhsm', '--hsm-address', '127.0.0.1', '--hsm-port', port]
    const order = ['setup', 'keysecure', ...place, '--kind', 'rsa-2048', ...ports]
    const untrusted = await run(home, order, { KEYHSM_PIN: password })
    expect(untrusted.status).not.toBe(0)
    const shown = /the HSM shows the certificate ([0-9a-f]{64})/.exec(untrusted.stderr)?.[1] ?? ''
    const wrong = [...order, '--server-fingerprint', 'ab'.repeat(32)]
    expect((await run(home, wrong, { KEYHSM_PIN: password })).stderr).toContain(shown)
    expect(server.loginAttempts).toBe(0)
    const plain = [...order, '--ssl', 'no', '--server-fingerprint', shown]
    const unused = await run(home, plain, { KEYHSM_PIN: password })
    expect(unused.stderr).toMatch(/--server-fingerprint goes with --ssl yes/)
    const right = [...order, '--ssl', 'YES', '--server-fingerprint', shown]
    const { status, stderr } = await run(home, right, { KEYHSM_PIN: password })
    expect(stderr).not.toContain(password)
    expect(stderr).toMatch(/warning: the certificate expired on .*\n.*warning: .* is self-signed/)
    expect(status).toBe(0)
  })
})
