/**
 * Finds tests by their ids, in the reports of the last run where there are some, else in the sources:
 *
 *   apps/x/test/y.test.ts > describe title test title      vitest, by its full name
 *   interop/scripts/first-deposit.script                   a whole-product script
 *   interop/transcripts/luna.txt                           a dialogue of setup
 *   interop/faults-table.mjs > name of the case            a case of the faults table
 *   npm run reload-loop                                    a script of package.json, which the test run has as a stage
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'

/** Files of reports/ by kind of id; each has `cases: [{ name, status }]`, vitest its own form. */
const kinds = [
  {
    name: 'vitest',
    is: (id) => id.includes('.test.ts > '),
    report: 'vitest.json',
    inSources: isVitestTitle,
  },
  {
    name: 'scripts',
    is: (id) => id.endsWith('.script'),
    report: 'scripts.json',
    inSources: isFile,
  },
  {
    name: 'transcripts',
    is: (id) => id.startsWith('interop/transcripts/'),
    report: 'transcripts.json',
    inSources: isFile,
  },
  {
    name: 'faults',
    is: (id) => id.startsWith('interop/faults-table.mjs > '),
    report: 'faults.json',
    inSources: isFaultCase,
  },
  { name: 'npm', is: (id) => id.startsWith('npm run '), report: undefined, inSources: isNpmScript },
]

/** @returns `faultsOf(id)` and, once all were asked for, `notes()` on what was looked up in the sources only. */
export function openTestIndex(root) {
  const reports = new Map(kinds.map(({ name, report }) => [name, readReport(root, report)]))
  const bySource = new Map()
  return {
    faultsOf(id) {
      const kind = kinds.find((candidate) => candidate.is(id))
      if (!kind) return [`${id} is not the id of a test`]
      if (!kind.inSources(root, id)) return [`${id} does not exist`]
      const ran = reports.get(kind.name)
      if (!ran) {
        bySource.set(kind.name, (bySource.get(kind.name) ?? 0) + 1)
        return []
      }
      const status = ran.get(id)
      if (status === 'passed') return []
      return [status === undefined ? `${id} did not run` : `${id} ${status}`]
    },
    notes: () =>
      [...bySource].map(
        ([name, count]) =>
          `${count} ids of ${name} were looked up in the sources only: there is no report of a run`,
      ),
  }
}

/** id → status; undefined where there is no report, or one without cases. */
function readReport(root, file) {
  if (!file || !existsSync(join(root, 'reports', file))) return undefined
  const report = JSON.parse(readFileSync(join(root, 'reports', file), 'utf8'))
  if (report.testResults) {
    return new Map(
      report.testResults.flatMap(({ name, assertionResults }) =>
        assertionResults.map(({ fullName, status }) => [`${shorten(name)} > ${fullName}`, status]),
      ),
    )
  }
  return report.cases && new Map(report.cases.map(({ name, status }) => [name, status]))
}

/** Paths of a run in a copy of the checkout end like ours. */
function shorten(path) {
  return (
    /(?:packages|apps|interop|scripts)\/(?:[^/]+\/)?test\/.*$/.exec(path)?.[0] ??
    relative('.', path)
  )
}

function isFile(root, id) {
  return existsSync(join(root, id))
}

function isNpmScript(root, id) {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  return Object.hasOwn(scripts, id.slice('npm run '.length).split(' ')[0])
}

/** True when a title of the file, its placeholders filled in, ends the name. */
function isVitestTitle(root, id) {
  const [file, fullName] = id.split(' > ')
  const path = join(root, file)
  return (
    existsSync(path) && titlesOf(readFileSync(path, 'utf8')).some((title) => title.test(fullName))
  )
}

function isFaultCase(root, id) {
  const name = id.slice(id.indexOf(' > ') + 3)
  const folder = join(root, 'interop', 'faults')
  return readdirSync(folder)
    .filter((file) => file.endsWith('.mjs'))
    .some((file) =>
      titlesOf(readFileSync(join(folder, file), 'utf8')).some((title) => title.test(name)),
    )
}

/** Every string of a source as an expression that finds it at the end of a name; `%s`, `$name` and `${…}` stand for anything. */
function titlesOf(source) {
  const strings = source.matchAll(/(['"`])((?:\\.|(?!\1)[^\\\n])*)\1/g)
  return [...strings].map(([, , text]) => {
    const pieces = text.replaceAll(/\\(.)/g, '$1').split(/%[a-z#]|\$\{[^}]*\}|\$\w+/)
    // A string of nothing but placeholders would find everything.
    if (pieces.join('').trim().length < 4) return /$^/
    return new RegExp(
      `(^| )${pieces.map((piece) => piece.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.+')}$`,
    )
  })
}
