#!/usr/bin/env node
/**
 * Makes the installable packages: `npm run package:deb`, `npm run package:rpm`. One tree a package, from the built product;
 * both forms are made from it.
 *
 *   node packaging/build.mjs deb|rpm|tree [--out FOLDER] [--version V] [--fast] [--only NAME]
 *
 * --fast compresses lightly, for tests. --only leaves the other packages out. Prints the path of each file.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { runMain, Stop } from '../scripts/lib/say.mjs'
import { root } from '../scripts/lib/sources.mjs'
import { makeDeb } from './deb.mjs'
import { packages } from './packages.mjs'
import { makeRpm } from './rpm.mjs'
import { makeTree } from './tree.mjs'

const makers = { deb: makeDeb, rpm: makeRpm }

await runMain(() => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      out: { type: 'string', default: join(root, 'packages.out') },
      version: { type: 'string', default: releaseVersion() },
      fast: { type: 'boolean', default: false },
      only: { type: 'string' },
    },
  })
  const [form] = positionals
  if (form !== 'tree' && !Object.hasOwn(makers, form ?? '')) {
    throw new Stop('package: say deb, rpm or tree', 2)
  }
  const out = resolve(values.out)
  mkdirSync(out, { recursive: true })
  const work = mkdtempSync(join(tmpdir(), 'keyhsm-package-'))
  try {
    for (const one of packages.filter(({ name }) => !values.only || name === values.only)) {
      const tree = join(form === 'tree' ? out : work, one.name)
      makeTree(one, tree)
      const { version, fast } = values
      console.log(form === 'tree' ? tree : makers[form](one, { tree, out, version, fast, work }))
    }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
})

function releaseVersion() {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version
}
