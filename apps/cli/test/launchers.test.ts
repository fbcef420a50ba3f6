import { spawnSync } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const bin = join(import.meta.dirname, '../../../bin')
const launchers: Readonly<Record<string, string>> = {
  keyhsm: 'apps/keyhsm/dist/main.js',
  ktadmin: 'apps/keytrustee/dist/main-ktadmin.js',
  'keytrustee-server': 'apps/keytrustee/dist/main-keytrustee-server.js',
  'keytrustee-orgtool': 'apps/keytrustee/dist/main-keytrustee-orgtool.js',
  keytrustee: 'apps/cli/dist/main.js',
  'keytrustee-kms': 'apps/kms/dist/main.js',
}

/** A checkout with nothing but the launchers. */
let checkout: string
beforeEach(() => {
  checkout = mkdtempSync(join(tmpdir(), 'launchers-'))
  cpSync(bin, join(checkout, 'bin'), { recursive: true })
  writeFileSync(join(checkout, 'package.json'), '{"type":"module"}')
})
afterEach(() => rmSync(checkout, { recursive: true }))

function installDependencies() {
  mkdirSync(join(checkout, 'node_modules/@keyhsm'), { recursive: true })
}

function build(entry: string, code: string) {
  mkdirSync(dirname(join(checkout, entry)), { recursive: true })
  writeFileSync(join(checkout, entry), code)
}

function start(file: string, options: readonly string[] = []) {
  const argv = [...options, file, 'a', '--b']
  const { status, stdout, stderr } = spawnSync(process.execPath, argv, {
    encoding: 'utf8',
    timeout: 20_000,
    env: { PATH: process.env['PATH'] ?? '' },
  })
  return { status, stdout, stderr }
}

it('has one executable launcher a program', () => {
  expect(readdirSync(bin).sort()).toEqual([...Object.keys(launchers), 'launch.mjs'].sort())
  for (const name of Object.keys(launchers))
    expect(spawnSync('test', ['-x', join(bin, name)]).status).toBe(0)
})

describe.each(Object.entries(launchers))('bin/%s', (name, entry) => {
  it('says what to run while the build is missing', () => {
    const unbuilt = start(join(checkout, 'bin', name))
    const how = `hint: run \`npm ci\` and \`npm run build\` in ${checkout}`
    expect([unbuilt.status, unbuilt.stdout, unbuilt.stderr.split('\n')]).toEqual([
      2,
      '',
      [`${name}: this checkout is not built`, how, ''],
    ])
  })

  it('prefers the bundle, unless something was compiled since', () => {
    build(entry, 'console.log("compiled")')
    build(join('build', entry), 'console.log("bundled")')
    expect(start(join(checkout, 'bin', name)).stdout).toBe('bundled\n')
    const stamp = join(checkout, entry.replace(/dist\/.*/, 'dist/.tsbuildinfo'))
    writeFileSync(stamp, '')
    utimesSync(stamp, new Date(), new Date(Date.now() + 5000))
    expect(start(join(checkout, 'bin', name)).stdout).toBe('compiled\n')
  })

  it('runs the built program, through a symbolic link too', () => {
    installDependencies()
    build(entry, 'console.log(process.argv.slice(2).join()); process.exitCode = 3')
    const link = join(checkout, 'link')
    symlinkSync(join(checkout, 'bin', name), link)
    for (const file of [join(checkout, 'bin', name), link])
      expect(start(file)).toEqual({ status: 3, stdout: 'a,--b\n', stderr: '' })
  })
})

describe('launch', () => {
  it('refuses a Node.js before 20.19', () => {
    const older =
      'data:text/javascript,Object.defineProperty(process,"versions",{value:{...process.versions,node:"20.18.3"}})'
    const outcome = start(join(checkout, 'bin/keyhsm'), ['--import', older])
    expect(outcome.status).toBe(2)
    expect(outcome.stderr).toMatch(
      /^keyhsm: needs Node\.js 20\.19 or newer, this is .*\nhint: .*\n$/,
    )
  })

  it('shows no stack trace when the build is incomplete or broken', () => {
    installDependencies()
    const file = join(checkout, 'bin/keytrustee')
    build('apps/cli/dist/main.js', "import './gone.js'")
    const incomplete = start(file)
    expect(incomplete.status).toBe(2)
    expect(incomplete.stderr).toMatch(
      /^keytrustee: the build or the dependencies are incomplete\nhint: .*\n$/,
    )
    build('apps/cli/dist/main.js', 'throw new Error("broken")')
    const broken = start(file)
    expect([broken.status, broken.stderr]).toEqual([
      70,
      'keytrustee: cannot be loaded\nhint: set KEYHSM_DEBUG=1 to see where this comes from\n',
    ])
  })
})
