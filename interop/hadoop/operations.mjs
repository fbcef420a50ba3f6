/** Hadoop's Java client, operation by operation: every outcome equal to the recorded one of Hadoop's own KMS. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { clientPath, folder, runJava } from './lib/java.mjs'

const recorded = join(folder, 'recorded/outcomes.txt')
const differences = join(folder, 'recorded/differences.txt')

/** What the driver says about the KMS at `url`, without what differs from run to run. */
export async function driveOperations(url) {
  const driver = join(folder, 'java/KmsDriver.java')
  const out = await runJava(clientPath(), [driver, url.replace('http://', 'kms://http@')])
  return out.trim().split('\n').map(normalise)
}

/** Writes down what Hadoop's own KMS answers. */
export async function recordOperations(url) {
  writeFileSync(recorded, `${(await driveOperations(url)).join('\n')}\n`)
}

/**
 * @returns how many operations there are, how many came out as recorded or as a listed difference says, and what did not.
 */
export async function compareOperations(url) {
  const got = await driveOperations(url)
  const expected = readLines(recorded)
  const listed = new Map(
    readLines(differences)
      .filter((line) => !line.startsWith('#'))
      .map((line) => [line.split(' => ')[0], line]),
  )
  const wrong = []
  const count = Math.max(got.length, expected.length)
  for (let i = 0; i < count; i += 1) {
    const name = (got[i] ?? expected[i] ?? '').split(' => ')[0]
    const wanted = listed.get(name) ?? expected[i]
    if (got[i] !== wanted) wrong.push(`  expected ${wanted}\n  got      ${got[i]}`)
  }
  return { count, equal: count - wrong.length, wrong, listed: listed.size }
}

function readLines(path) {
  return readFileSync(path, 'utf8').trim().split('\n')
}

/** The original lists keys in any order. */
function sortListed(line) {
  const [head, ...keys] = line.split(' | ')
  return [head, ...keys.sort()].join(' | ')
}

/** Addresses, tokens, times and numbers of tokens; the store's own name; wrappers of exceptions inside the original. */
function normalise(line) {
  const plain = /^\d+ hadoop key list/.test(line) ? sortListed(line) : line
  return plain
    .replace(/@[0-9a-f]{5,8}\b/g, '@ID')
    .replace(/127\.0\.0\.1:\d+/g, 'HOST')
    .replace(/token=[\w-]+/g, 'token=TOKEN')
    .replace(/(issueDate|maxDate|sequenceNumber|masterKeyId)=\d+/g, '$1=N')
    .replace(/ in jceks:\/\/\S+/g, '')
    .replace(/org\.apache\.hadoop\.thirdparty\.\S+UncheckedExecutionException: /g, '')
    .replace(/java\.lang\.NullPointerException: (?=No KeyVersion)/g, '')
    .trimEnd()
    .replace(/ +(?= <|$)/g, '')
}
