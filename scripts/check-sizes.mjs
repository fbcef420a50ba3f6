#!/usr/bin/env node
/** Sizes of files and folders, and a comment on every function and class that a package exports. Functions are measured by the linter. */
import { readSource, report, sourceFiles, workspaces } from './lib/sources.mjs'

const maxLines = { src: 350, test: 500 }
const maxExports = 12
const maxDepth = 3
const faults = []
let looked = 0

for (const { folder } of workspaces()) {
  for (const kind of ['src', 'test']) {
    for (const path of filesOf(`${folder}/${kind}`)) checkFile(path, kind, folder)
  }
}
report('sizes', faults, `${looked} files`)

function filesOf(folder) {
  try {
    return sourceFiles(folder)
  } catch (error) {
    if (error.code === 'ENOENT') return []
    throw error
  }
}

function checkFile(path, kind, folder) {
  looked += 1
  const lines = readSource(path).split('\n')
  if (lines.length - 1 > maxLines[kind])
    faults.push(`${path}: ${lines.length - 1} lines, at most ${maxLines[kind]}`)
  if (kind !== 'src') return
  const depth = path.slice(folder.length).split('/').length - 3
  if (depth > maxDepth) faults.push(`${path}: ${depth} folders deep, at most ${maxDepth}`)
  const exported = lines.filter((line) =>
    /^export (async )?(function|class|const|interface|type)\b/.test(line),
  )
  if (exported.length > maxExports && !isTable(path))
    faults.push(`${path}: ${exported.length} exports, at most ${maxExports}`)
  if (path.startsWith('packages/')) checkComments(path, lines)
}

/** What other workspaces can import says what it does; in a file of one export its head says it. */
function checkComments(path, lines) {
  const isDeclared = (line) => /^export (async |abstract )?(function|class)\b/.test(line)
  const declared = lines.filter(isDeclared)
  if (declared.length === 1 && lines[0]?.startsWith('/**')) return
  for (const [index, line] of lines.entries()) {
    const above = lines.slice(0, index).findLast((other) => !other.startsWith('// oxlint-disable'))
    if (isDeclared(line) && !/\*\/\s*$/.test(above ?? '')) {
      faults.push(`${path}:${index + 1}: no TSDoc on ${line.slice(7, 60)}`)
    }
  }
}

/** Tables of routes, schemas, rows and identifiers hold many small exports that belong together. */
function isTable(path) {
  return /(-api|schemas|constants|identifiers|store|errors)\.ts$/.test(path)
}
