/** The files of a package as they will lie on a machine, below a folder. */
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { formatCompletion } from '@keyhsm/command-line'
import { programs } from '../scripts/lib/programs.mjs'
import { Stop } from '../scripts/lib/say.mjs'
import { root } from '../scripts/lib/sources.mjs'
import { runtimeFolder } from './packages.mjs'
import { fillTemplate } from './templates.mjs'

/** Makes the tree of one package in `target`, which must not be there. */
export function makeTree(one, target) {
  if (existsSync(target)) throw new Stop(`package: ${target} is there already`)
  if (one.runtime) putRuntime(target)
  else putPrograms(one, target)
  putDocuments(one, target)
}

function putRuntime(target) {
  put(process.execPath, join(target, runtimeFolder, 'bin/node'), 0o755)
}

function putPrograms(one, target) {
  const build = join(root, 'build')
  if (!existsSync(build)) throw new Stop('package: nothing is built; run npm run build')
  const home = join(target, 'usr/lib', one.name)
  for (const file of neededFiles(build, one.entries)) {
    put(join(build, file), join(home, 'build', file), 0o644)
  }
  put(join(root, 'package.json'), join(home, 'package.json'), 0o644)
  put(join(root, 'bin/launch.mjs'), join(home, 'bin/launch.mjs'), 0o644)
  for (const program of one.programs)
    put(join(root, 'bin', program), join(home, 'bin', program), 0o644)
  if (one.addon) putAddon(one.addon, home)
  for (const program of one.programs) {
    write(join(home, program), fillTemplate(one, 'launcher', { PROGRAM: program }), 0o755)
    putCompletion(program, target)
  }
  if (one.initScript) write(join(home, one.initScript), fillTemplate(one, one.initScript), 0o755)
  if (one.unit)
    write(join(target, 'usr/lib/systemd/system', one.unit), fillTemplate(one, one.unit), 0o644)
  if (one.logrotate)
    write(join(target, 'etc/logrotate.d', one.name), fillTemplate(one, one.logrotate), 0o644)
}

/** Entries of the bundle, their manifests, and every chunk that these load. */
function neededFiles(build, entries) {
  const found = new Set(['package.json'])
  const visit = (file) => {
    if (found.has(file) || !existsSync(join(build, file))) return
    found.add(file)
    if (!file.endsWith('.js')) return
    const text = readFileSync(join(build, file), 'utf8')
    for (const [, target] of text.matchAll(/["'](\.{1,2}\/[^"'\n]+\.js)["']/g)) {
      visit(relative(build, join(build, dirname(file), target)))
    }
  }
  for (const entry of entries) {
    for (const file of readdirSync(join(build, entry), { recursive: true, withFileTypes: true })) {
      if (file.isFile()) visit(relative(build, join(file.parentPath, file.name)))
    }
  }
  return [...found].sort()
}

/** The compiled addon and what loads it; sources and traces of the compiler stay behind. */
function putAddon(name, home) {
  const from = join(root, 'node_modules', name)
  for (const file of ['package.json', 'index.js', 'LICENSE', `build/Release/pkcs11.node`]) {
    put(join(from, file), join(home, 'node_modules', name, file), 0o644)
  }
}

function putCompletion(name, target) {
  const { program } = programs.find((one) => one.program.name === name)
  const file = join(target, 'usr/share/bash-completion/completions', name)
  write(file, formatCompletion(program, 'bash'), 0o644)
}

function putDocuments(one, target) {
  const folder = join(target, 'usr/share/doc', one.name)
  put(join(root, 'LICENSE'), join(folder, 'copyright'), 0o644)
  if (one.runtime) return
  put(join(root, 'CHANGELOG.md'), join(folder, 'CHANGELOG.md'), 0o644)
  put(join(root, 'SECURITY.md'), join(folder, 'SECURITY.md'), 0o644)
  const pages = join(root, 'docs/operations')
  for (const file of readdirSync(pages, { recursive: true, withFileTypes: true })) {
    if (!file.isFile()) continue
    const path = join(file.parentPath, file.name)
    put(path, join(folder, 'operations', relative(pages, path)), 0o644)
  }
}

function write(to, text, mode) {
  mkdirSync(dirname(to), { recursive: true, mode: 0o755 })
  writeFileSync(to, text, { mode })
  chmodSync(to, mode)
}

function put(from, to, mode) {
  mkdirSync(dirname(to), { recursive: true, mode: 0o755 })
  cpSync(from, to, { dereference: true })
  chmodSync(to, mode)
}

/** Every file of a tree, as absolute paths on the machine. */
export function filesOf(tree) {
  return readdirSync(tree, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `/${relative(tree, join(entry.parentPath, entry.name))}`)
    .filter((path) => !path.startsWith('/DEBIAN/'))
    .sort()
}

/** Folders that are this package's alone, so that nothing of them stays behind. */
export function foldersOf(tree, name) {
  return readdirSync(tree, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => `/${relative(tree, join(entry.parentPath, entry.name))}`)
    .filter((path) => new RegExp(`^/usr/(lib|share/doc)/${name}(/|$)`).test(path))
    .sort()
}
