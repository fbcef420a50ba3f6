/**
 * A home that was brought up once and stopped, to be copied: `npm test` prepares one, because many of its checks begin with
 * a registered client and bringing that about costs more than most of them. The copies share keys and certificates, but
 * neither files nor ports, and each runs services of its own.
 */
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'

/** Names the folder of the prepared home to every check that {@link prepareHome} was done for. */
export const preparedVariable = 'KEYHSM_PREPARED_STACK'

/** Settings that hold the home's path or its ports. */
const settings = /\.(conf|json|properties|xml|bkup)$/
/** Says from where a home was copied; written last. */
const manifest = 'prepared.json'

/** Keeps a copy of a stack that was brought up and stopped in `folder`. */
export function prepareHome({ home, ports }, folder) {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { mode: 0o700 })
  copyTree(home, join(folder, 'home'))
  writeFileSync(join(folder, manifest), JSON.stringify({ home, ports }))
}

/** The folder that the environment names, when it holds a prepared home. */
export function findPrepared() {
  const folder = process.env[preparedVariable]
  return folder && existsSync(join(folder, manifest)) ? folder : undefined
}

/** Fills a stack's home from `folder`, with its own path and ports. Nothing is started. */
export function copyPrepared(folder, { home, ports }) {
  const from = JSON.parse(readFileSync(join(folder, manifest), 'utf8'))
  copyTree(join(folder, 'home'), home)
  const changes = [
    [from.home, home],
    ...Object.keys(from.ports).map((name) => [String(from.ports[name]), String(ports[name])]),
  ]
  for (const file of settingsBelow(home)) replaceIn(file, changes)
}

/** With owners and modes, which the services check. */
function copyTree(from, to) {
  const { status, stderr } = spawnSync('cp', ['-a', `${from}/.`, to], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`cp: ${stderr}`)
}

function settingsBelow(home) {
  return readdirSync(home, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && settings.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => statSync(path).size > 0)
}

/** Written in place: owner and mode stay. All at once, since one port's new number may be another's old one. */
function replaceIn(file, changes) {
  const text = readFileSync(file, 'utf8')
  const pattern = new RegExp(changes.map(([old]) => literally(old)).join('|'), 'g')
  const changed = text.replace(pattern, (old) => new Map(changes).get(old))
  if (changed !== text) writeFileSync(file, changed)
}

function literally(text) {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
