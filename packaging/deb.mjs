/** A Debian package from a tree. */
import { createHash } from 'node:crypto'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Stop } from '../scripts/lib/say.mjs'
import { fillTemplate } from './templates.mjs'
import { filesOf } from './tree.mjs'

const architectures = { x64: 'amd64', arm64: 'arm64' }

/** Writes `<name>_<version>_<architecture>.deb` into `out` and returns its path. */
export function makeDeb(one, { tree, out, version, fast }) {
  const architecture = architectures[process.arch]
  if (!architecture) throw new Stop(`package: no Debian architecture for ${process.arch}`)
  const control = join(tree, 'DEBIAN')
  const files = filesOf(tree)
  mkdirSync(control, { mode: 0o755 })
  writeFileSync(join(control, 'control'), controlOf(one, { tree, files, version, architecture }))
  writeFileSync(join(control, 'md5sums'), files.map((file) => md5Line(tree, file)).join(''))
  // Asked about, not overwritten, when the operator changed one.
  const kept = files.filter((file) => file.startsWith('/etc/'))
  if (kept.length > 0) writeFileSync(join(control, 'conffiles'), `${kept.join('\n')}\n`)
  for (const [name, source] of Object.entries(one.scripts ?? {})) {
    writeFileSync(join(control, name), fillTemplate(one, source))
    chmodSync(join(control, name), 0o755)
  }
  const path = join(out, `${one.name}_${version}_${architecture}.deb`)
  const compression = fast ? ['-Zgzip', '-z1'] : ['-Zxz']
  const command = ['--root-owner-group', ...compression, '--build', tree, path]
  const result = spawnSync('dpkg-deb', command, { encoding: 'utf8' })
  if (result.status !== 0) throw new Stop(`package: dpkg-deb: ${result.stderr ?? result.error}`)
  return path
}

function controlOf(one, { tree, files, version, architecture }) {
  const bytes = files.reduce((sum, file) => sum + statSync(join(tree, file)).size, 0)
  const fields = {
    Package: one.name,
    Version: version,
    Architecture: architecture,
    Maintainer: 'Key HSM maintainers <root@localhost>',
    'Installed-Size': String(Math.ceil(bytes / 1024)),
    Section: 'admin',
    Priority: 'optional',
    Depends: one.debDepends.join(', ').replaceAll('VERSION', version),
    ...(one.debRecommends ? { Recommends: one.debRecommends.join(', ') } : {}),
    Description: `${one.summary}\n${one.description.replaceAll(/^/gm, ' ')}`,
  }
  return Object.entries(fields)
    .map(([name, value]) => `${name}: ${value}\n`)
    .join('')
}

function md5Line(tree, file) {
  const digest = createHash('md5')
    .update(readFileSync(join(tree, file)))
    .digest('hex')
  return `${digest}  ${file.slice(1)}\n`
}
