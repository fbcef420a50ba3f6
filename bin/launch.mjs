// What the launchers share. No `node:` imports, no top-level await: an old Node must get as far as the version check.
import { existsSync, readdirSync, statSync } from 'fs'
import { dirname, join } from 'path'
import { fileURLToPath } from 'url'

const checkout = dirname(dirname(fileURLToPath(import.meta.url)))

function refuse(name, message, hint) {
  process.stderr.write(`${name}: ${message}\nhint: ${hint}\n`)
  process.exitCode = 2
}

function isTooOld(version) {
  const [major, minor] = version.split('.').map(Number)
  return major < 20 || (major === 20 && minor < 19)
}

// The bundle starts in a third of the time. In a checkout it may be older than what was compiled since; then it is not used.
function findProgram(entry) {
  const bundled = join('build', entry)
  const candidates = isStale(join(checkout, bundled)) ? [entry] : [bundled, entry]
  return candidates.find((candidate) => existsSync(join(checkout, candidate)))
}

function isStale(bundled) {
  if (!existsSync(bundled)) return true
  const madeAt = statSync(bundled).mtimeMs
  return ['packages', 'apps'].some((group) => {
    const folder = join(checkout, group)
    return (
      existsSync(folder) &&
      readdirSync(folder).some((name) => compiledAt(join(folder, name)) > madeAt)
    )
  })
}

function compiledAt(workspace) {
  const stamp = join(workspace, 'dist', '.tsbuildinfo')
  return existsSync(stamp) ? statSync(stamp).mtimeMs : 0
}

// Runs the built program at `entry` (below the checkout), or says in two lines what is missing and exits with 2.
export function launch(name, entry) {
  if (isTooOld(process.versions.node))
    return refuse(
      name,
      `needs Node.js 20.19 or newer, this is ${process.version}`,
      'install a newer Node.js',
    )
  const program = findProgram(entry)
  if (!program)
    return refuse(
      name,
      'this checkout is not built',
      `run \`npm ci\` and \`npm run build\` in ${checkout}`,
    )
  return import(new URL(`../${program}`, import.meta.url)).catch((error) => {
    if (process.env.KEYHSM_DEBUG) process.stderr.write(`${error.stack}\n`)
    if (error.code === 'ERR_MODULE_NOT_FOUND')
      return refuse(
        name,
        'the build or the dependencies are incomplete',
        `run \`npm ci\` and \`npm run build\` in ${checkout}`,
      )
    refuse(name, 'cannot be loaded', 'set KEYHSM_DEBUG=1 to see where this comes from')
    process.exitCode = 70
  })
}
