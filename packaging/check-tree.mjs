#!/usr/bin/env node
/**
 * The lean check of the packages, a stage of `npm test`: the tree of each can be made, its program runs from there alone,
 * its scripts are read by a shell, and nothing in it names the checkout. `npm run package:test` does all the rest.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { report, root } from '../scripts/lib/sources.mjs'
import { packages } from './packages.mjs'
import { fillTemplate } from './templates.mjs'
import { filesOf, makeTree } from './tree.mjs'

const faults = []
let looked = 0
const folder = mkdtempSync(join(tmpdir(), 'keyhsm-tree-'))
try {
  for (const one of packages.filter(({ runtime }) => !runtime)) check(one, join(folder, one.name))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
report('packages', faults, `${looked} files`)

function check(one, tree) {
  makeTree(one, tree)
  for (const file of filesOf(tree)) {
    looked += 1
    if (!file.endsWith('.node') && readFileSync(join(tree, file)).includes(root))
      faults.push(`${file} names the checkout`)
  }
  for (const program of one.programs) {
    const launcher = join(tree, 'usr/lib', one.name, 'bin', program)
    // Not in the checkout, whose node_modules would help out.
    const result = spawnSync(process.execPath, [launcher, '--version'], {
      cwd: '/',
      encoding: 'utf8',
    })
    if (!result.stdout.startsWith(`${program} `)) faults.push(`${program}: ${result.stderr}`)
  }
  const scripts = [one.initScript, ...Object.values(one.scripts)].filter(Boolean)
  const texts = scripts.map((name) => [name, fillTemplate(one, name)])
  for (const program of one.programs)
    texts.push([`launcher of ${program}`, fillTemplate(one, 'launcher', { PROGRAM: program })])
  for (const [name, text] of texts) {
    const { status, stderr } = spawnSync('sh', ['-n'], { encoding: 'utf8', input: text })
    if (status !== 0) faults.push(`${one.name}: ${name}: ${stderr}`)
  }
}
