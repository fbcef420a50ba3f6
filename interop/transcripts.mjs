#!/usr/bin/env node
/**
 * The manual's dialogues, character for character: each `interop/transcripts/<hsm>.txt` is played at a real pseudo-terminal
 * against a real token (for the vendors' devices SoftHSM behind a module that behaves as the vendor's, for KeySecure the test server), and what
 * the terminal shows is compared. Prints `5 of 5 equal`.
 *
 *   node interop/transcripts.mjs [NAME…] [--report FILE] [--verbose]
 *
 * An answer that cannot be the manual's here (a port in use, an address) is typed otherwise and put back for the comparison,
 * as are the digits of the appliance's key. Lines that begin with `keyhsm: ` or `hint: ` are the program's own words to the
 * operator of today and are left out.
 */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runMain, Stop } from '../scripts/lib/say.mjs'
import { freePort } from './lib/ports.mjs'
import { programRoot } from './lib/program-root.mjs'
import { softhsmModule } from './lib/stack.mjs'
import { atTerminal } from './lib/terminal.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const checkout = dirname(here)
const folder = join(here, 'transcripts')
const args = process.argv.slice(2)
const verbose = args.includes('--verbose')
const reportAt = args.indexOf('--report')
const wanted = args.filter(
  (arg, at) => !arg.startsWith('--') && (reportAt < 0 || at !== reportAt + 1),
)

const pin = 'marked-pin-8830'

/** What is typed after a prompt: what the manual shows there, and what it is here. */
const general = (port) => [
  { prompt: 'IP address: [127.0.0.1]', manual: '127.0.0.1', type: '127.0.0.1' },
  { prompt: 'PORT number: ', manual: '9090', type: String(port) },
]
const hidden = (prompt, type) => ({ prompt, manual: '', type })
/** RSA-3072 takes SoftHSM seconds; a dialogue does not depend on it. */
const quickKeys = ['--kind', 'rsa-2048']
const ports = ['--management-port', '0', '--service-port', '0']

/** Each device: how it is made, which options stand in for what only the vendor's client has, and the answers. */
const devices = {
  softhsm: async (home) => {
    const token = makeToken(home, { label: 'keyhsm', pin })
    return {
      options: ['--library', softhsmModule, '--config', token.config],
      answers: [
        { prompt: 'Token Label: ', manual: 'keyhsm', type: 'keyhsm' },
        hidden('PIN (input suppressed):', pin),
      ],
    }
  },
  luna: async (home) => {
    const token = makeToken(home, { label: 'partition', pin })
    return {
      options: [...throughVendor('luna', home, token), ...quickKeys],
      answers: [
        { prompt: 'Slot Number: ', manual: '1', type: token.slot },
        hidden('password (input suppressed):', pin),
      ],
    }
  },
  thales: async (home) => ({
    options: [
      ...throughVendor('thales', home, makeToken(home, { label: 'ocs', pin })),
      ...quickKeys,
    ],
    answers: [hidden('Card Password (input suppressed):', pin)],
  }),
  cloudhsm: async (home) => ({
    options: throughVendor(
      'cloudhsm',
      home,
      makeToken(home, { label: 'hsm1', pin: `crypto:${pin}` }),
    ),
    answers: [
      { prompt: 'user name: ', manual: '<username>', type: 'crypto' },
      hidden('user password (input suppressed):', pin),
    ],
  }),
  keysecure: async () => {
    const { makeCertificate, NaeTestServer } = await import('@keyhsm/hsm-nae/test-server')
    const users = [{ name: 'keyhsm', password: pin, mayCreateKeys: true }]
    const server = await NaeTestServer.start({ users, tls: makeCertificate() })
    const [node] = server.addresses
    return {
      options: quickKeys,
      answers: [
        { prompt: 'USERNAME: ', manual: 'keyhsm', type: 'keyhsm' },
        hidden('PASSWORD: ', pin),
        { prompt: 'Hostname: ', manual: '172.19.1.135', type: node.host },
        { prompt: 'HSM Port number: ', manual: '9020', type: String(node.port) },
        { prompt: '[Y/n] ', manual: 'Y', type: 'Y' },
        { prompt: '[y/N] ', manual: 'Y', type: 'Y' },
      ],
      close: () => server.close(),
    }
  },
}

await runMain(async () => {
  const names = readdirSync(folder)
    .filter((name) => name.endsWith('.txt'))
    .map((name) => name.replace('.txt', ''))
    .filter((name) => wanted.length === 0 || wanted.includes(name))
  const counts = { passed: 0, failed: 0, skipped: 0 }
  const cases = []
  for (const name of names) {
    if (devices[name] === undefined) throw new Stop(`no device for transcript ${name}`)
    const difference = await play(name)
    const status = difference ? 'failed' : 'passed'
    counts[status] += 1
    cases.push({ name: `interop/transcripts/${name}.txt`, status })
    console.log(`${difference ? 'differs' : 'equal'}  ${name}`)
    if (difference) console.log(difference)
  }
  if (reportAt >= 0) {
    writeFileSync(join(checkout, args[reportAt + 1]), JSON.stringify({ ...counts, cases }))
  }
  console.log(`${counts.passed} of ${names.length} equal`)
  return counts.passed === names.length && names.length > 0 ? 0 : 1
})

/** Undefined when the terminal showed the transcript, else where it did not. */
async function play(name) {
  const home = mkdtempSync(join(tmpdir(), 'keyhsm-'))
  chmodSync(home, 0o755)
  const user = serviceUser()
  if (user) spawnSync('chown', [`${user.uid}:${user.gid}`, home])
  let device
  try {
    device = await devices[name](home)
    const answers = [...general(await freePort()), ...device.answers]
    const { screen, exit, unasked } = await atTerminal({
      argv: [
        join(programRoot(checkout, home), 'bin', 'keyhsm'),
        'setup',
        name,
        '--home',
        home,
        ...ports,
        ...device.options,
      ],
      env: {
        PATH: process.env.PATH,
        HOME: home,
        TZ: 'America/New_York',
        TERM: 'dumb',
        KEYHSM_DEBUG: process.env.KEYHSM_DEBUG ?? '',
      },
      cwd: home,
      ...user,
      turns: answers.map(({ prompt, type }) => ({ prompt, type })),
      seconds: 60,
    })
    if (verbose) console.log(screen)
    if (exit !== 0 || unasked.length > 0) return `exit ${exit}, not asked: ${unasked}\n${screen}`
    if (screen.includes(pin)) return 'the password was shown'
    const expected = readFileSync(join(folder, `${name}.txt`), 'utf8')
    return firstDifference(comparable(expected), comparable(asInTheManual(screen, answers)))
  } finally {
    await device?.close?.()
    rmSync(home, { recursive: true, force: true })
  }
}

/** What was typed, as the manual has it. */
function asInTheManual(screen, answers) {
  return answers.reduce(
    (text, { prompt, manual, type }) =>
      manual === '' ? text : text.replace(`${prompt}${type}\n`, `${prompt}${manual}\n`),
    screen,
  )
}

/** Without the program's own words; digits of key and signature as many x. */
function comparable(text) {
  return text
    .split('\n')
    .filter((line) => !/^(keyhsm|hint): /.test(line))
    .map((line) =>
      line.replace(
        /^( +(?:(?:modulus|Signature): )?)([0-9a-f]{8,})$/,
        (_, head, digits) => head + 'x'.repeat(digits.length),
      ),
    )
    .join('\n')
}

function firstDifference(expected, found) {
  if (expected === found) return undefined
  const [wantedLines, shownLines] = [expected.split('\n'), found.split('\n')]
  const at = wantedLines.findIndex((line, index) => line !== shownLines[index])
  const line = at < 0 ? wantedLines.length : at
  return `  line ${line + 1}\n  manual:   ${JSON.stringify(wantedLines[line])}\n  terminal: ${JSON.stringify(shownLines[line])}`
}

/** SoftHSM behind the module that behaves as the vendor's (`interop/vendors/`), under the vendor's profile. */
function throughVendor(vendor, home, token) {
  const library = join(home, 'vendor-module.so')
  const source = join(here, 'vendors', 'vendor-module.c')
  const flags = ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl', '-lpthread']
  const { status, stderr } = spawnSync('cc', flags, { encoding: 'utf8' })
  if (status !== 0) throw new Stop(`cc: ${stderr}`)
  copyFileSync(join(here, 'vendors', `${vendor}.behaviour`), join(home, 'behaviour'))
  const environment = {
    SOFTHSM2_CONF: token.config,
    VENDOR_MODULE: softhsmModule,
    VENDOR_TABLE: join(home, 'behaviour'),
  }
  const given = Object.entries(environment).flatMap(([name, value]) => [
    '--hsm-env',
    `${name}=${value}`,
  ])
  return ['--library', library, ...given]
}

function makeToken(home, { label, pin: userPin }) {
  const config = join(home, 'softhsm2.conf')
  mkdirSync(join(home, 'tokens'), { mode: 0o700 })
  writeFileSync(config, `directories.tokendir = ${home}/tokens\nlog.level = ERROR\n`)
  chmodSync(config, 0o644)
  const order = [
    '--init-token',
    '--free',
    '--label',
    label,
    '--pin',
    userPin,
    '--so-pin',
    '12345678',
  ]
  const { status, stdout, stderr } = spawnSync('softhsm2-util', order, {
    env: { ...process.env, SOFTHSM2_CONF: config },
    encoding: 'utf8',
  })
  if (status !== 0) throw new Stop(`softhsm2-util: ${stderr}`)
  const user = serviceUser()
  if (user) spawnSync('chown', ['-R', `${user.uid}:${user.gid}`, join(home, 'tokens')])
  return { config, slot: /slot (\d+)/.exec(stdout)?.[1] ?? '' }
}

/** Run as root the dialogue is had as the service's user: `Dropped privileges to …` is tested elsewhere. */
function serviceUser() {
  if (process.getuid() !== 0) return undefined
  const [uid, gid] = ['-u', '-g'].map((flag) =>
    Number(spawnSync('id', [flag, 'keyhsm'], { encoding: 'utf8' }).stdout),
  )
  return { uid, gid }
}
