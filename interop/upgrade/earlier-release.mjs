/** The product as it was at an earlier commit, built in a folder of its own with the libraries of this checkout. */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { join } from 'node:path'
import { Stop } from '../../scripts/lib/say.mjs'
import { root } from '../../scripts/lib/sources.mjs'

/** While nothing is tagged: the first commit with servers that join, and with the stored formats of today. */
const oldestCommit = '9a9c8b1'

/** The last tag, else {@link oldestCommit}. @throws Stop, as skipped, where this checkout does not have it */
export function findEarlier(wanted) {
  if (git('rev-parse', '--git-dir').status !== 0) throw skipped('this is no git checkout')
  const tag = git('describe', '--tags', '--abbrev=0').stdout.trim()
  const name = wanted ?? (tag || oldestCommit)
  const { status, stdout } = git('rev-parse', '--verify', '--quiet', `${name}^{commit}`)
  if (status !== 0) throw skipped(`the history has no ${name} (a shallow clone?)`)
  return { name, commit: stdout.trim() }
}

/** Builds it in `folder`, which must not be there. */
export function buildEarlier({ commit }, folder) {
  mkdirSync(folder)
  execFileSync('bash', ['-c', `set -o pipefail; git archive ${commit} | tar -x -C '${folder}'`], {
    cwd: root,
  })
  linkLibraries(folder)
  for (const script of ['node_modules/typescript/bin/tsc', 'scripts/bundle.mjs']) {
    const args = script.endsWith('tsc') ? ['-b'] : []
    const result = spawnSync(process.execPath, [script, ...args], { cwd: folder, encoding: 'utf8' })
    if (result.status !== 0)
      throw new Stop(`upgrade: ${commit} does not build:\n${result.stdout}${result.stderr}`)
  }
}

/** Version of the schema that the code of `tree` makes. */
export function schemaOf(tree) {
  const folder = join(tree, 'apps/keytrustee/src/store/postgres/migrations')
  return Math.max(...readdirSync(folder).map((name) => Number.parseInt(name, 10) || 0))
}

/** Those of this checkout, where the earlier one asks for the same; its own workspaces instead of ours. */
function linkLibraries(folder) {
  if (librariesOf(folder) !== librariesOf(root)) {
    execFileSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
      cwd: folder,
      stdio: ['ignore', 2, 2],
    })
  } else {
    mkdirSync(join(folder, 'node_modules/@keyhsm'), { recursive: true })
    for (const name of readdirSync(join(root, 'node_modules')))
      if (name !== '@keyhsm')
        symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name))
    for (const workspace of workspacesOf(folder)) linkWorkspace(folder, workspace)
  }
  // Other users must be able to read it, and it is compiled here already.
  rmSync(join(folder, 'node_modules/pkcs11js'), { recursive: true, force: true })
  cpSync(join(root, 'node_modules/pkcs11js'), join(folder, 'node_modules/pkcs11js'), {
    recursive: true,
  })
}

function linkWorkspace(folder, workspace) {
  const { name } = JSON.parse(readFileSync(join(folder, workspace, 'package.json'), 'utf8'))
  symlinkSync(join(folder, workspace), join(folder, 'node_modules', name))
  const own = join(root, workspace, 'node_modules')
  if (existsSync(own)) symlinkSync(own, join(folder, workspace, 'node_modules'))
}

function workspacesOf(folder) {
  return ['packages', 'apps'].flatMap((group) =>
    readdirSync(join(folder, group)).map((name) => join(group, name)),
  )
}

/** The lock file without what is said of the workspaces themselves. */
function librariesOf(folder) {
  const { packages } = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8'))
  return JSON.stringify(Object.entries(packages).filter(([path]) => /node_modules\//.test(path)))
}

function git(...args) {
  return spawnSync('git', args, { cwd: root, encoding: 'utf8' })
}

function skipped(reason) {
  return new Stop(`upgrade: SKIPPED: ${reason}`, 0)
}
