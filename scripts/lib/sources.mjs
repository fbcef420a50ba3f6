/** The TypeScript files of the workspaces, as the checks read them. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** Every workspace folder, e.g. `packages/core`, with its package.json. */
export function workspaces() {
  return ['packages', 'apps'].flatMap((group) =>
    readdirSync(join(root, group)).map((name) => {
      const folder = `${group}/${name}`
      const manifest = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'))
      return { folder, name, manifest }
    }),
  )
}

/** Paths, relative to the repository, of the `.ts` files below `folder`. */
export function sourceFiles(folder) {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((path) => !/(^|\/)(dist|node_modules)\//.test(path))
    .sort()
}

export function readSource(path) {
  return readFileSync(join(root, path), 'utf8')
}

/** Module names that a file imports or re-exports, dynamic imports with a literal included. */
export function importsOf(text) {
  const pattern =
    /(?:^|\n)\s*(?:import|export)\b[^'";]*?\bfrom\s*'([^']+)'|\bimport\(\s*'([^']+)'\s*\)|(?:^|\n)import\s*'([^']+)'/g
  return [...text.matchAll(pattern)].map((match) => match[1] ?? match[2] ?? match[3])
}

/** Prints faults, or one line that says what was looked at; the exit status tells. */
export function report(name, faults, looked) {
  for (const fault of faults) console.log(`${name}: ${fault}`)
  console.log(`${name}: ${faults.length === 0 ? `${looked} ok` : `${faults.length} faults`}`)
  process.exitCode = faults.length === 0 ? 0 : 1
}
