/** What the set-up says where it may install nothing: each with a `dpkg-query` that knows no package. */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'

const scripts = join(import.meta.dirname, '..')
const { demoPackages } = (await import(new URL('../lib/packages.mjs', import.meta.url).href)) as {
  readonly demoPackages: Readonly<Record<string, string>>
}
const names = Object.keys(demoPackages)
const isRoot = process.getuid?.() === 0
const hasNamespaces = isRoot && spawnSync('unshare', ['--mount', 'true']).status === 0
const cluster = `sh -c "mkdir -p /etc/postgresql-common/createcluster.d && echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.d/keyhsm-set-up.conf"`
const apt = `sh -c "apt-get update && apt-get install -y --no-install-recommends ${names.join(' ')}"`

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'set-up-'))
  chmodSync(folder, 0o755)
  writeFileSync(join(folder, 'dpkg-query'), '#!/bin/sh\nexit 1\n')
  chmodSync(join(folder, 'dpkg-query'), 0o755)
})
afterAll(() => rmSync(folder, { recursive: true }))

function run(argv: readonly string[], as: { uid?: number } = {}) {
  const env = { PATH: `${folder}:${process.env['PATH'] ?? ''}` }
  const [command = '', ...args] = argv
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', env, ...as })
  return { status, stdout, lines: stderr.trimEnd().split('\n') }
}

it('with --no-install lists every package, then the commands that install them without a cluster', () => {
  const { status, lines } = run([process.execPath, join(scripts, 'demo.mjs'), '--no-install'])
  expect(status).toBe(1)
  for (const [name, what] of Object.entries(demoPackages))
    expect(lines).toContain(`  missing    ${name.padEnd(22)} ${what}`)
  expect(lines.slice(-3)).toEqual([
    'set-up: missing packages; as root run:',
    `  ${cluster}`,
    `  ${apt}`,
  ])
})

it('without root prints the commands and stops', () => {
  const as = isRoot ? { uid: 65_534 } : {}
  const { status, stdout, lines } = run([process.execPath, join(scripts, 'demo.mjs')], as)
  expect([status, stdout]).toEqual([1, ''])
  expect(lines.slice(-3)).toEqual([
    'set-up: not root, so nothing was installed; run:',
    `  sudo ${cluster}`,
    `  sudo ${apt}`,
  ])
})

it.runIf(hasNamespaces)(
  'on another distribution names the packages and stops (needs root and namespaces)',
  () => {
    const release = join(folder, 'os-release')
    writeFileSync(release, 'ID=fedora\n')
    // Its PATH has none of the tools either.
    const script = `mount --bind ${release} /etc/os-release && PATH=${folder} ${process.execPath} ${join(scripts, 'set-up.mjs')}`
    const { status, lines } = run(['unshare', '--mount', 'sh', '-c', script])
    expect([status, lines]).toEqual([
      1,
      [
        'set-up: this is not Debian; install what these Debian packages hold, then run again:',
        `  ${names.join(' ')}`,
      ],
    ])
  },
)

it.runIf(hasNamespaces)(
  'as root it updates and installs what is missing, with Debian’s own cluster forbidden meanwhile (needs root and namespaces)',
  () => {
    const said = join(folder, 'said')
    const setting = '/etc/postgresql-common/createcluster.d/keyhsm-set-up.conf'
    // The last step fails, so that nothing is built here beside the other tests.
    const lines = ['#!/bin/sh', `echo "$* [$(cat ${setting})]" >> ${said}`, '[ "$1" = update ]']
    writeFileSync(join(folder, 'apt-get'), lines.join('\n'))
    chmodSync(join(folder, 'apt-get'), 0o755)
    const script = [
      'mkdir -p /etc/postgresql-common && mount -t tmpfs none /etc/postgresql-common',
      `${process.execPath} ${join(scripts, 'set-up.mjs')}; echo $? ; ls /etc/postgresql-common/createcluster.d`,
    ].join(' && ')
    const { stdout, lines: words } = run(['unshare', '--mount', 'sh', '-c', script])
    const forbidden = '[create_main_cluster = false]'
    expect(readFileSync(said, 'utf8').trim().split('\n')).toEqual([
      `update -qq ${forbidden}`,
      `install -y -qq --no-install-recommends ${names.join(' ')} ${forbidden}`,
    ])
    expect(stdout).toBe('1\n')
    expect(words.at(-1)).toMatch(/^set-up: apt-get install .* ended with 1$/)
  },
)
