#!/usr/bin/env node
/** Documents equal to the tables they print: generated reference pages, dependencies, links between files. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { alertFaults, alerts } from './lib/alerts.mjs'
import { programs } from './lib/programs.mjs'
import { referencePages, seriesNames } from './lib/reference.mjs'
import { report, root, workspaces } from './lib/sources.mjs'

const faults = []
let looked = 0
checkReference()
checkDependencies()
checkLinks()
checkAlerts()
report('documents', faults, `${looked} facts`)

function checkReference() {
  for (const [name, text] of Object.entries(referencePages())) {
    looked += 1
    const path = join(root, 'docs/reference', name)
    if (!existsSync(path) || readFileSync(path, 'utf8') !== text) {
      faults.push(`docs/reference/${name} is not what the product says; run npm run docs`)
    }
  }
}

function checkDependencies() {
  const page = readFileSync(join(root, 'docs/dependencies.md'), 'utf8')
  const named = new Set(
    [...page.matchAll(/^\| ([^|]+?) \|/gm)].flatMap((match) => match[1].split(', ')),
  )
  const manifests = [
    ...workspaces().map((workspace) => workspace.manifest),
    JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')),
  ]
  const used = new Set()
  for (const manifest of manifests) {
    for (const group of ['dependencies', 'devDependencies', 'optionalDependencies']) {
      for (const name of Object.keys(manifest[group] ?? {})) {
        if (!name.startsWith('@keyhsm/')) used.add(name)
      }
    }
  }
  for (const name of used) {
    looked += 1
    if (!named.has(name)) faults.push(`docs/dependencies.md has no reason for ${name}`)
  }
  for (const name of named) {
    if (name !== 'package' && !name.startsWith('---') && !used.has(name)) {
      faults.push(`docs/dependencies.md names ${name}, which no package.json has`)
    }
  }
}

function checkLinks() {
  const pages = [
    ...readdirSync(root).filter((name) => name.endsWith('.md')),
    ...readdirSync(join(root, 'docs'), { recursive: true })
      .filter((name) => name.endsWith('.md'))
      .map((name) => join('docs', name)),
  ]
  for (const page of pages) {
    const text = readFileSync(join(root, page), 'utf8')
    for (const [, target] of text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
      if (/^[a-z]+:/.test(target)) continue
      looked += 1
      if (!existsSync(join(root, normalize(join(dirname(page), target))))) {
        faults.push(`${page} links to ${target}, which does not exist`)
      }
    }
  }
}

function checkAlerts() {
  looked += alerts.length
  const hasCommand = (line) => {
    const [name, ...words] = line.split(' ')
    const commands = programs.find(({ program }) => program.name === name)?.program.commands ?? []
    return commands.some((command) => `${words.join(' ')} `.startsWith(`${command.name} `))
  }
  faults.push(...alertFaults(seriesNames(), hasCommand))
}
