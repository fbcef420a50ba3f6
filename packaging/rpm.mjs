/** An rpm from a tree, by rpmbuild. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Stop } from '../scripts/lib/say.mjs'
import { fillTemplate } from './templates.mjs'
import { filesOf, foldersOf } from './tree.mjs'

const architectures = { x64: 'x86_64', arm64: 'aarch64' }

/** Writes `<name>-<version>-1.<architecture>.rpm` into `out` and returns its path. */
export function makeRpm(one, { tree, out, version, fast, work }) {
  const architecture = architectures[process.arch]
  if (!architecture) throw new Stop(`package: no rpm architecture for ${process.arch}`)
  const top = join(work, `rpm-${one.name}`)
  mkdirSync(top)
  const spec = join(top, `${one.name}.spec`)
  writeFileSync(spec, specOf(one, { tree, version }))
  const definitions = {
    _topdir: top,
    _dbpath: join(top, 'db'),
    _build_id_links: 'none',
    __os_install_post: '%{nil}',
    debug_package: '%{nil}',
    _binary_payload: fast ? 'w1.gzdio' : 'w6.xzdio',
  }
  const defines = Object.entries(definitions).flatMap(([name, value]) => ['-D', `${name} ${value}`])
  const command = ['-bb', '--target', architecture, ...defines, spec]
  const result = spawnSync('rpmbuild', command, { encoding: 'utf8' })
  if (result.status !== 0) throw new Stop(`package: rpmbuild: ${result.stderr ?? result.error}`)
  const made = join(top, 'RPMS', architecture)
  const [name] = readdirSync(made)
  spawnSync('cp', [join(made, name), out])
  return join(out, name)
}

/** The same scripts as the Debian package's: rpm gives them 0 or 1 where dpkg gives words. */
function specOf(one, { tree, version }) {
  const script = (name) => (one.scripts ? fillTemplate(one, one.scripts[name]) : '')
  const section = (title, text) => (text === '' ? '' : `${title}\n${text.replace(/^#!.*\n/, '')}\n`)
  return `Name: ${one.name}
Version: ${version.replaceAll('-', '~')}
Release: 1
Summary: ${one.summary}
License: Apache-2.0
AutoReqProv: no
${one.rpmRequires.map((name) => `Requires: ${name.replaceAll('VERSION', version.replaceAll('-', '~'))}\n`).join('')}
%description
${one.description}

%install
cp -a ${tree}/. %{buildroot}/

%files
${foldersOf(tree, one.name)
  .map((path) => `%dir ${path}\n`)
  .join('')}${filesOf(tree)
  .map((path) => (path.startsWith('/etc/') ? `%config(noreplace) ${path}` : path))
  .join('\n')}

${section('%post', script('postinst'))}${section('%preun', script('prerm'))}${section('%postun', onlyAtEnd(script('postrm')))}`
}

/** After an upgrade rpm runs the old package's %postun with 1: nothing is to be taken away then. */
function onlyAtEnd(text) {
  return text === '' ? '' : `[ "$1" = 0 ] || exit 0\n${text.replace(/^#!.*\n/, '')}`
}
