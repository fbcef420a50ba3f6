#!/usr/bin/env node
/**
 * Import direction. npm links every workspace, so nothing but this check would notice an import upwards.
 * core -> {envelope, hsm, protocol} -> {hsm-*, service, command-line, client} -> apps; no app imports another.
 */
import { builtinModules } from 'node:module'
import { dirname, join, normalize } from 'node:path'
import { importsOf, readSource, report, sourceFiles, workspaces } from './lib/sources.mjs'

const below = {
  core: [],
  envelope: ['core'],
  hsm: ['core'],
  protocol: ['core'],
  'hsm-pkcs11': ['core', 'hsm'],
  'hsm-nae': ['core', 'hsm'],
  service: ['core', 'protocol'],
  'command-line': ['core'],
  client: ['core', 'protocol'],
  'app-keyhsm': [
    'core',
    'envelope',
    'hsm',
    'protocol',
    'hsm-pkcs11',
    'hsm-nae',
    'service',
    'command-line',
    'client',
  ],
  'app-keytrustee': ['core', 'envelope', 'protocol', 'service', 'command-line', 'client'],
  'app-kms': ['core', 'protocol', 'service', 'command-line', 'client'],
  'app-cli': ['core', 'protocol', 'command-line', 'client'],
}

/** Modules that appear in one place only, so that each can be replaced there. */
const confined = {
  pkcs11js: /^packages\/hsm-pkcs11\/src\//,
  fastify: /^packages\/service\/src\/http/,
  'pg-copy-streams': /^apps\/keytrustee\/src\/store\/postgres\//,
  pg: /^apps\/keytrustee\/src\/store\/postgres\//,
  undici: /^packages\/client\/src\/transport/,
  commander: /^packages\/command-line\/src\//,
  'age-encryption': /^packages\/client\/src\/(sealing|identity)\//,
  '@noble/post-quantum': /^packages\/client\/src\/sealing\/x-wing/,
  '@scure/base': /^packages\/client\/src\/sealing\/hybrid-identity/,
  saxes:
    /^(packages\/(hsm-nae\/src\/xml\/|service\/src\/log\/xml)|apps\/kms\/src\/configuration\/)/,
  '@keyhsm/hsm-nae': /^apps\/keyhsm\/src\/drivers\.ts$/,
  pkijs: /^packages\/service\/src\/pkcs12\//,
  asn1js: /^packages\/service\/src\/pkcs12\//,
  '@keyhsm/hsm-pkcs11': /^apps\/keyhsm\/src\/drivers\.ts$/,
}

const faults = []
let looked = 0

for (const workspace of workspaces()) {
  const own = workspace.manifest.name.replace('@keyhsm/', '')
  const allowed = below[own]
  if (!allowed) faults.push(`${workspace.folder}: not in the table of directions`)
  for (const path of sourceFiles(`${workspace.folder}/src`)) {
    for (const name of importsOf(readSource(path))) {
      looked += 1
      checkImport({ path, name, own, allowed: allowed ?? [], workspace })
    }
  }
}
checkCycles()
report('imports', faults, `${looked} imports`)

function checkImport({ path, name, own, allowed, workspace }) {
  if (name.startsWith('.')) {
    const target = normalize(join(dirname(path), name))
    if (!target.startsWith(`${workspace.folder}/src/`))
      faults.push(`${path}: ${name} leaves its src`)
    return
  }
  if (name.startsWith('node:') || builtinModules.includes(name)) {
    if (!name.startsWith('node:')) faults.push(`${path}: write node:${name}`)
    return
  }
  const module = name.startsWith('@') ? name.split('/').slice(0, 2).join('/') : name.split('/')[0]
  if (module.startsWith('@keyhsm/')) {
    const target = module.slice('@keyhsm/'.length)
    if (target !== own && !allowed.includes(target))
      faults.push(`${path}: ${own} may not import ${target}`)
  }
  const peers = { ...workspace.manifest.dependencies, ...developmentOf(path, workspace.manifest) }
  if (module !== `@keyhsm/${own}` && !(module in peers)) {
    faults.push(`${path}: ${module} is no dependency in ${workspace.folder}/package.json`)
  }
  const place = confined[module]
  if (place && !place.test(path)) faults.push(`${path}: ${module} belongs to ${place.source}`)
}

/** The conformance suite is a test that others import: nothing in production does, so a test runner may stand there. */
function developmentOf(path, manifest) {
  return path.startsWith('packages/hsm/src/conformance/') ? manifest.devDependencies : {}
}

/** Cycles between files of one workspace; an import of types alone counts too: who reads the one must read the other. */
function checkCycles() {
  const graph = new Map()
  for (const { folder } of workspaces()) {
    for (const path of sourceFiles(`${folder}/src`)) {
      const targets = importsOf(readSource(path)).filter((name) => name.startsWith('.'))
      graph.set(
        path,
        targets.map((name) => normalize(join(dirname(path), name)).replace(/\.js$/, '.ts')),
      )
    }
  }
  const done = new Set()
  for (const start of graph.keys()) visit(start, [], graph, done)
}

function visit(path, trail, graph, done) {
  if (trail.includes(path)) {
    faults.push(`cycle: ${[...trail.slice(trail.indexOf(path)), path].join(' -> ')}`)
    return
  }
  if (done.has(path)) return
  for (const next of graph.get(path) ?? []) visit(next, [...trail, path], graph, done)
  done.add(path)
}
