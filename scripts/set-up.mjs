#!/usr/bin/env node
/**
 * Makes a checkout ready: Debian packages, npm packages, the native addon, the build. Nothing here needs node_modules.
 *
 *   node scripts/set-up.mjs [--no-install] [--tests] [--hadoop]
 *
 * --no-install only checks and says what is missing (exit 1). --tests adds what only the tests need,
 * --hadoop what `npm run interop:hadoop` needs, Hadoop's published artifacts included.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { jarsOf } from '../interop/hadoop/lib/java.mjs'
import { demoPackages, hadoopPackages, testPackages } from './lib/packages.mjs'
import { runMain, say, Stop } from './lib/say.mjs'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
const serviceUsers = ['keyhsm', 'keytrustee', 'keytrustee-kms']

/** Everything in order; each part does nothing when it is done already. */
export function setUp({ install = true, tests = false, hadoop = false } = {}) {
  checkNode()
  const more = { ...(tests ? testPackages : {}), ...(hadoop ? hadoopPackages : {}) }
  installDebianPackages({ ...demoPackages, ...more }, install)
  addServiceUsers(install)
  installNpmPackages(install)
  buildAddon(install)
  build(install)
  if (hadoop && install) for (const name of ['client', 'server']) jarsOf(name)
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major < 20 || (major === 20 && minor < 19)) {
    throw new Stop(`set-up: Node.js 20.19 or newer is needed, this is ${process.versions.node}`)
  }
}

function installDebianPackages(packages, install) {
  const names = Object.keys(packages)
  if (!isDebian()) {
    if (names.every((name) => hasCommandOf(name))) return
    throw new Stop(
      `set-up: this is not Debian; install what these Debian packages hold, then run again:\n  ${names.join(' ')}`,
    )
  }
  say('set-up: Debian packages')
  const missing = names.filter((name) => !isInstalled(name))
  for (const name of names) {
    say(
      `  ${missing.includes(name) ? 'missing  ' : 'installed'}  ${name.padEnd(22)} ${packages[name]}`,
    )
  }
  if (missing.length === 0) return
  if (!install) throw new Stop(`set-up: missing packages; as root run:\n${byHand(missing, '')}`)
  if (process.getuid() !== 0)
    throw new Stop(`set-up: not root, so nothing was installed; run:\n${byHand(missing, 'sudo ')}`)
  const keepClusterOff = forbidDebianCluster(missing)
  try {
    run('apt-get', ['update', '-qq'], aptEnvironment)
    run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing], aptEnvironment)
  } finally {
    keepClusterOff()
  }
}

const aptEnvironment = { DEBIAN_FRONTEND: 'noninteractive' }
const clusterSettings = '/etc/postgresql-common/createcluster.d/keyhsm-set-up.conf'
const noCluster = 'create_main_cluster = false'

/** What a person types to install them as this does; `prefix` makes it root's. */
function byHand(missing, prefix) {
  const lines = [
    `apt-get update && apt-get install -y --no-install-recommends ${missing.join(' ')}`,
  ]
  if (missing.includes('postgresql'))
    lines.unshift(
      `mkdir -p ${dirname(clusterSettings)} && echo '${noCluster}' > ${clusterSettings}`,
    )
  return lines.map((line) => `  ${prefix}sh -c "${line}"`).join('\n')
}

/** Debian makes and starts a cluster of its own when PostgreSQL is first installed; ours is private, so not that one. */
function forbidDebianCluster(missing) {
  if (!missing.includes('postgresql') || existsSync(clusterSettings)) return () => {}
  mkdirSync(dirname(clusterSettings), { recursive: true })
  writeFileSync(clusterSettings, `${noCluster}\n`)
  return () => rmSync(clusterSettings, { force: true })
}

/** As root the services run as users of their own, as an installed package has them. */
function addServiceUsers(install) {
  if (process.getuid() !== 0) return
  for (const user of serviceUsers) {
    if (spawnSync('getent', ['passwd', user]).status === 0) continue
    const args = ['--system', '--user-group', '--no-create-home', '--home-dir', '/nonexistent']
    const command = ['useradd', ...args, '--shell', '/usr/sbin/nologin', user]
    if (!install)
      throw new Stop(`set-up: the services need the user ${user}:\n  ${command.join(' ')}`)
    say(`set-up: ${command.join(' ')}`)
    run(command[0], command.slice(1))
  }
}

function installNpmPackages(install) {
  const stamp = join(root, 'node_modules', '.set-up')
  const wanted = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return
  if (!install) throw new Stop('set-up: npm packages are missing; run:\n  npm ci')
  say('set-up: npm ci')
  run('npm', ['ci', '--no-audit', '--no-fund'], addonEnvironment())
  writeFileSync(stamp, wanted)
}

/** npm 11 and 12 may block the addon's install script, and node-gyp cannot fetch headers where there is no internet. */
function buildAddon(install) {
  if (loadsAddon()) return
  const how = 'npm rebuild pkcs11js --foreground-scripts'
  if (!install) throw new Stop(`set-up: the addon pkcs11js is not built; run:\n  ${how}`)
  say('set-up: building the native addon pkcs11js')
  spawnSync('npm', ['rebuild', 'pkcs11js'], {
    cwd: root,
    env: { ...process.env, ...addonEnvironment() },
  })
  if (loadsAddon()) return
  const gyp = nodeGyp()
  const folder = join(root, 'node_modules', 'pkcs11js')
  const result = gyp
    ? spawnSync(process.execPath, [gyp, 'rebuild'], {
        cwd: folder,
        env: { ...process.env, ...addonEnvironment() },
        encoding: 'utf8',
      })
    : { stderr: 'npm has no node-gyp' }
  if (loadsAddon()) return
  throw new Stop(
    `set-up: pkcs11js could not be built\n${String(result.stderr).split('\n').slice(-8).join('\n')}\n` +
      `hint: a compiler (g++, make, python3) and the headers of this node are needed: ${headerHint()}`,
  )
}

function loadsAddon() {
  const probe = "require('pkcs11js')"
  return spawnSync(process.execPath, ['-e', probe], { cwd: root }).status === 0
}

function headerFolder() {
  const prefix = dirname(dirname(process.execPath))
  return existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? prefix : undefined
}

function headerHint() {
  const folder = headerFolder()
  if (folder) return `found in ${folder}/include/node`
  return 'not beside this node; set npm_config_nodedir to a folder that holds include/node'
}

function addonEnvironment() {
  const folder = process.env.npm_config_nodedir ?? headerFolder()
  return folder ? { npm_config_nodedir: folder } : {}
}

function nodeGyp() {
  const npm = spawnSync('npm', ['root', '-g'], { encoding: 'utf8' }).stdout?.trim()
  const candidates = [npm && join(npm, 'npm', 'node_modules', 'node-gyp', 'bin', 'node-gyp.js')]
  try {
    candidates.push(createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js'))
  } catch {
    // not among our packages: npm's own is the usual one
  }
  return candidates.find((path) => path && existsSync(path))
}

function build(install) {
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  if (!install) {
    if (existsSync(join(root, 'apps', 'keyhsm', 'dist', 'main.js'))) return
    throw new Stop('set-up: the checkout is not built; run:\n  npm run build')
  }
  say('set-up: build')
  run(process.execPath, [compiler, '-b', root])
  run(process.execPath, [join(root, 'scripts', 'bundle.mjs')])
}

function run(command, args, environment = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    env: { ...process.env, ...environment },
  })
  if (result.error) throw new Stop(`set-up: cannot run ${command}: ${result.error.message}`)
  if (result.status !== 0) {
    throw new Stop(
      `set-up: ${command} ${args.join(' ')} ended with ${result.status ?? result.signal}`,
    )
  }
}

function isDebian() {
  if (!existsSync('/etc/os-release')) return false
  return /^ID(_LIKE)?="?[^\n]*\bdebian\b/m.test(readFileSync('/etc/os-release', 'utf8'))
}

function isInstalled(name) {
  const query = spawnSync('dpkg-query', ['-W', '-f', '${db:Status-Status}', name], {
    encoding: 'utf8',
  })
  return query.status === 0 && query.stdout === 'installed'
}

const commandOf = {
  'default-jre-headless': 'keytool',
  softhsm2: 'softhsm2-util',
  opensc: 'pkcs11-tool',
  postgresql: 'initdb',
  iproute2: 'ss',
  procps: 'ps',
  nftables: 'nft',
  'libnss3-tools': 'certutil',
  opencryptoki: 'pkcsslotd',
}

function hasCommandOf(name) {
  return spawnSync('sh', ['-c', `command -v ${commandOf[name] ?? name}`]).status === 0
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await runMain(() => {
    const options = new Set(process.argv.slice(2))
    setUp({
      install: !options.has('--no-install'),
      tests: options.has('--tests'),
      hadoop: options.has('--hadoop'),
    })
  })
}
