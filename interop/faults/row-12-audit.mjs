/** Row 12: the audit is changed behind the back of its service; copies of both audits are hurt in each way. */
import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { facts } from './lib/case.mjs'
import { openClient } from './lib/clients.mjs'

const services = [
  { name: 'Key HSM', program: 'keyhsm', folder: 'keyhsm', other: 'keytrustee' },
  { name: 'Trustee Server', program: 'ktadmin', folder: 'keytrustee', other: 'keyhsm' },
]

/**
 * What is done to the lines, and which line `verify` must name: by its number in the file after the deed, counted from 1.
 * `at` is the line number of an entry in the middle that a checkpoint follows, `last` that of the last checkpoint.
 */
const deeds = [
  deed(
    'nothing (so that the others mean something)',
    (lines) => lines,
    () => undefined,
  ),
  deed(
    'tail before a checkpoint cut',
    (lines, { last }) => lines.filter((_, i) => i + 1 < last - 2 || i + 1 >= last),
    ({ last }) => last - 2,
  ),
  deed(
    'one entry in the middle missing',
    (lines, { at }) => lines.filter((_, i) => i + 1 !== at),
    ({ at }) => at,
  ),
  deed(
    'first entry missing',
    (lines) => lines.filter((_, i) => i !== 1),
    () => 2,
  ),
  deed(
    'two entries in the other order',
    (lines, { at }) => swap(lines, at),
    ({ at }) => at,
  ),
  deed(
    'one word of an entry changed',
    (lines, { at }) => replaceLine(lines, at, (text) => text.replace('"actor":"', '"actor":"not-')),
    ({ at }) => at,
  ),
  deed(
    'an entry changed, it and all that follow hashed anew',
    (lines, { at }) => rehash(replaceLine(lines, at, lie)),
    ({ at, checkpoints }) => checkpoints.find((line) => line > at),
  ),
  deed(
    'the same, and the heads in the checkpoints set right',
    (lines, { at }) => rehash(replaceLine(lines, at, lie), { heads: true }),
    ({ at, checkpoints }) => checkpoints.find((line) => line > at),
  ),
  deed(
    'the same, and the checkpoints signed with another key',
    (lines, { at }) => rehash(replaceLine(lines, at, lie), { heads: true, key: otherKey() }),
    ({ at, checkpoints }) => checkpoints.find((line) => line > at),
  ),
  deed(
    'a line that is none in the middle',
    (lines, { at }) => [...lines.slice(0, at - 1), 'nothing', ...lines.slice(at - 1)],
    ({ at }) => at,
  ),
]

function deed(name, change, placeOf) {
  return { name, change, placeOf }
}

const cases = services.flatMap((service) =>
  deeds.map(({ name, change, placeOf }) => ({
    row: 12,
    name: `${service.name}: ${name}`,
    expected: name.startsWith('nothing') ? 'exit 0' : 'exit 1, names the place',
    run: async (context) => {
      const { lines, places } = context.audits[service.folder]
      const changed = change([...lines], places)
      const { exit, stdout, stderr } = await verify(context, service, changed)
      const place = placeOf(places)
      if (place === undefined) return `exit ${exit}`
      const named = new RegExp(`audit\\.log line ${place}\\b`).test(stdout + stderr)
      return `exit ${exit}, ${facts([named, 'names the place', `line ${place} NOT NAMED: ${stdout}${stderr}`])}`
    },
  })),
)

cases.push(
  ...services.map((service) => ({
    row: 12,
    name: `${service.name}: only the current file is left of two`,
    expected: 'exit 1, names the missing file',
    run: async (context) => {
      const { lines, places } = context.audits[service.folder]
      const { sequence, hash } = JSON.parse(lines[places.at - 1])
      const header = { ...JSON.parse(lines[0]), file: 2, sequence, previous: hash }
      const rest = [JSON.stringify(header), ...lines.slice(places.at)]
      const { exit, stdout, stderr } = await verify(context, service, rest)
      const named = /audit\.000001\.log/.test(stdout + stderr)
      return `exit ${exit}, ${facts([named, 'names the missing file', stdout + stderr])}`
    },
  })),
)

cases.push(
  ...services.flatMap((service) =>
    [false, true].map((seen) => ({
      row: 12,
      name: `${service.name}: cut behind a checkpoint, with all checkpoints that follow, ${seen ? 'the other audit is asked' : 'nobody else is asked'}`,
      expected: seen ? 'exit 1, says that others saw more' : 'exit 0',
      run: async (context) => {
        const { lines } = context.audits[service.folder]
        const rest = cutBeforeSeen(lines, context.audits[service.other].lines)
        const witness = seen ? ` --seen-by ${join(context.copy, `seen-by-${service.folder}`)}` : ''
        const { exit, stdout, stderr } = await verify(context, service, rest, witness)
        if (!seen) return `exit ${exit}`
        const named = /cut: entry \d+ was seen by others/.test(stdout + stderr)
        return `exit ${exit}, ${facts([named, 'says that others saw more', stdout + stderr])}`
      },
    })),
  ),
)

/** The lines up to the last checkpoint before what the other audit saw of this one, or without one up to the entry before it. */
function cutBeforeSeen(lines, others) {
  const anchored = others
    .map((text) => JSON.parse(text))
    .filter((line) => line.operation === 'anchor')
  const seen = Math.max(...anchored.map(({ subject }) => subject.sequence))
  if (anchored.length === 0) throw new Error('the other audit holds no head of this one')
  const earlier = lines.map((text) => JSON.parse(text)).filter(({ sequence }) => sequence < seen)
  const end = earlier.findLastIndex(({ type }) => type === 'checkpoint')
  return lines.slice(0, end < 0 ? earlier.length : end + 1)
}

/** Runs `audit verify` in a copy of the home that has these lines, with the public key that an auditor keeps. */
async function verify({ stack, copy, keys }, { program, folder }, lines, more = '') {
  writeFileSync(join(copy, folder, 'audit/audit.log'), `${lines.join('\n')}\n`)
  const command = `${program} --home ${copy} audit verify --public-key ${keys[folder]}${more}`
  return await stack.run(command, { exit: 'any' })
}

function replaceLine(lines, number, change) {
  return lines.map((text, i) => (i + 1 === number ? change(text) : text))
}

function swap(lines, number) {
  const copy = [...lines]
  copy[number - 1] = lines[number]
  copy[number] = lines[number - 1]
  return copy
}

function lie(text) {
  return text.replace(/"actor":"[^"]*"/, '"actor":"somebody-else"')
}

/** Hashes every entry anew, as who can write the file can do; checkpoints too where asked for. */
function rehash(lines, { heads = false, key } = {}) {
  let previous = '0'.repeat(64)
  const hashes = new Map()
  return lines.map((text) => {
    const line = JSON.parse(text)
    if (line.type === 'rotate') return text
    if (line.type === 'checkpoint')
      return heads ? newCheckpoint(text, hashes.get(line.sequence), key) : text
    const body = text
      .replace(/"previous":"\w+"/, `"previous":"${previous}"`)
      .replace(/,"hash":"\w+"\}$/, '}')
    previous = createHash('sha256').update(body).digest('hex')
    hashes.set(line.sequence, previous)
    return `${body.slice(0, -1)},"hash":"${previous}"}`
  })
}

/** With a key its signature is good, but not by the key that the auditor has. */
function newCheckpoint(text, head, key) {
  const changed = text.replace(/"head":"\w+"/, `"head":"${head}"`)
  if (!key) return changed
  const body = changed.replace(/,"signature":"[^"]*"\}$/, '}')
  const message = Buffer.from(`keyhsm audit checkpoint v1\n${body}`)
  const signature = sign('sha256', message, { key, dsaEncoding: 'ieee-p1363' })
  return `${body.slice(0, -1)},"signature":"${signature.toString('base64')}"}`
}

function otherKey() {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
}

function readAudit(folder) {
  const lines = readFileSync(join(folder, 'audit/audit.log'), 'utf8').trimEnd().split('\n')
  const isCheckpoint = (text) => text.includes('"type":"checkpoint"')
  const checkpoints = lines.flatMap((text, i) => (isCheckpoint(text) ? [i + 1] : []))
  const last = checkpoints.at(-1)
  // Two entries one after the other, well before the last checkpoint.
  const at = lines.findIndex(
    (text, i) => i > 3 && i + 5 < last && !isCheckpoint(text) && !isCheckpoint(lines[i + 1]),
  )
  return { lines, places: { at: at + 1, last, checkpoints } }
}

/** @type {import('./lib/case.mjs').Group} */
export const group = {
  stack: 'shared',
  cases,
  /** Both services sign a checkpoint when they stop. */
  async prepare(stack) {
    const { trustee, transport } = await openClient(stack)
    for (let i = 0; i < 6; i++)
      await trustee.put({ handle: `audited-${i}`, content: Buffer.from('x') })
    await transport.destroy()
    const published = await stack.run('keyhsm audit public-key', { quiet: true })
    const keys = {
      keyhsm: join(stack.home, 'keyhsm-audit.pub'),
      keytrustee: join(stack.home, 'keytrustee-audit.pub'),
    }
    writeFileSync(keys.keyhsm, published.stdout)
    cpSync(join(stack.home, 'keytrustee/audit.pub'), keys.keytrustee)
    await stack.stop()
    const copy = join(stack.home, 'copy')
    const audits = {}
    for (const { folder } of services) {
      await stack.run(
        `mkdir -p ${copy}/${folder} && cp -a ${folder}/audit ${folder}/*.pub ${copy}/${folder}/ 2>/dev/null; chown --reference=${folder} ${copy}/${folder}`,
        { exit: 'any' },
      )
      audits[folder] = readAudit(join(stack.home, folder))
    }
    for (const [own, other] of [
      ['keyhsm', 'keytrustee'],
      ['keytrustee', 'keyhsm'],
    ]) {
      const seen = join(copy, `seen-by-${own}`)
      await stack.run(`cp -r ${other}/audit ${seen} && chown -R --reference=${own} ${seen}`)
    }
    await stack.start()
    return { copy, keys, audits }
  },
}
