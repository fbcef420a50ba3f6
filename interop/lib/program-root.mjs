/**
 * Where the services' users can read the program. Run as root in a checkout below a private folder (such as /root), the
 * users keyhsm and keytrustee could not enter it; then what they need is copied into the home.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

/** `checkout` itself, or a copy of its built product below `home`. */
export function programRoot(checkout, home) {
  if (process.getuid() !== 0 || isOpenToAll(checkout)) return checkout
  const copy = join(home, 'program')
  mkdirSync(copy, { mode: 0o755 })
  for (const name of ['bin', 'package.json'])
    cpSync(join(checkout, name), join(copy, name), { recursive: true })
  for (const folder of workspaceFolders(checkout)) {
    for (const name of ['dist', 'package.json']) {
      cpSync(join(checkout, folder, name), join(copy, folder, name), { recursive: true })
    }
  }
  copyProductionModules(checkout, copy)
  return copy
}

function isOpenToAll(path) {
  if (process.env.KEYHSM_ALWAYS_COPY === '1') return false
  for (let folder = path; ; folder = dirname(folder)) {
    if ((statSync(folder).mode & 0o005) !== 0o005) return false
    if (folder === dirname(folder)) return true
  }
}

function workspaceFolders(checkout) {
  return ['packages', 'apps'].flatMap((group) =>
    readdirSync(join(checkout, group)).map((name) => join(group, name)),
  )
}

/** Only what `npm ls --omit=dev` names; links to workspaces stay links, because they are relative. */
function copyProductionModules(checkout, copy) {
  const list = spawnSync('npm', ['ls', '--omit=dev', '--all', '--parseable'], {
    cwd: checkout,
    encoding: 'utf8',
  })
  const folders = list.stdout
    .split('\n')
    .filter((path) => path.includes(`${checkout}/node_modules/`))
  for (const folder of new Set(folders)) {
    const target = join(copy, relative(checkout, folder))
    cpSync(folder, target, {
      recursive: true,
      dereference: false,
      verbatimSymlinks: true,
      force: true,
    })
  }
  const scope = join('node_modules', '@keyhsm')
  cpSync(join(checkout, scope), join(copy, scope), { recursive: true, verbatimSymlinks: true })
}
