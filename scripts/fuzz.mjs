#!/usr/bin/env node
/**
 * `npm run fuzz -- [--seconds N] [--target NAME] [--seed N]`: what callers and files send, changed at random, into every parser of
 * `keytrustee-kms`; inputs that reach code that none has reached before are kept and changed further. A parser may refuse
 * with our own errors; anything else is a crash: its input goes into `reports/`, and the exit status is 1.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Coverage } from './fuzz/coverage.mjs'
import { Mutator } from './fuzz/mutator.mjs'
import { targets } from './fuzz/targets.mjs'
import { runMain, Stop } from './lib/say.mjs'
import { root } from './lib/sources.mjs'

/** Coverage is asked for after so many: asking costs more than a run. */
const batchSize = 500
/** An input that takes longer than this is a crash, too: a parser must not be made to work. */
const slowMs = 1_000
/** More inputs teach nothing new. */
const maxCorpus = 2_000

await runMain(async () => {
  const { seconds, seed, chosen } = readOptions()
  const coverage = new Coverage(['/apps/kms/dist/', '/packages/client/dist/sealing/'])
  const totals = { executions: 0, ranges: 0, corpus: 0, crashes: 0 }
  for (const target of chosen) {
    const result = fuzz(target, { coverage, seed, forMs: (seconds * 1000) / chosen.length })
    for (const name of Object.keys(totals)) totals[name] += result[name]
    console.log(format(`fuzz ${target.name.padEnd(12)}`, result))
  }
  coverage.close()
  console.log(format(`fuzz: ${chosen.length} targets, seed ${seed}:`, totals))
  return totals.crashes === 0 ? 0 : 1
})

function readOptions() {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '60' },
      target: { type: 'string' },
      seed: { type: 'string', default: `${Date.now() % 1_000_000}` },
    },
  })
  const seconds = Number(values.seconds)
  const seed = Number(values.seed)
  if (!(seconds > 0 && Number.isInteger(seed)))
    throw new Stop('fuzz: --seconds and --seed take numbers', 2)
  const chosen = targets.filter(({ name }) => values.target === undefined || name === values.target)
  if (chosen.length === 0)
    throw new Stop(`fuzz: --target is one of ${targets.map(({ name }) => name).join(', ')}`, 2)
  return { seconds, seed, chosen }
}

function format(head, { executions, ranges, corpus, crashes }) {
  const count = executions.toLocaleString('en')
  return `${head} ${count} executions, ${ranges} ranges of code, corpus ${corpus}, crashes ${crashes}`
}

/** One target for its share of the time. */
function fuzz(target, { coverage, seed, forMs }) {
  const mutator = new Mutator(seed, target.words)
  const corpus = [...target.seeds]
  const crashes = []
  for (const one of corpus) run(target, one, crashes)
  let ranges = coverage.take()
  let executions = corpus.length
  const endsAt = performance.now() + forMs
  while (performance.now() < endsAt && crashes.length < 10) {
    const batch = Array.from({ length: batchSize }, () => mutator.change(corpus))
    for (const input of batch) run(target, input, crashes)
    executions += batch.length
    if (coverage.peek() === 0) continue
    const found = keepNew(target, batch, { coverage, endsAt })
    executions += found.executions
    ranges += found.ranges
    corpus.push(...found.kept.slice(0, maxCorpus - corpus.length))
  }
  for (const crash of crashes) report(target, crash, seed)
  return { executions, ranges, corpus: corpus.length, crashes: crashes.length }
}

/** Which inputs of a batch reached new code: each half is run again, and halved as long as it does and there is time. */
function keepNew(target, inputs, guide) {
  const { coverage, endsAt } = guide
  for (const input of inputs) run(target, input, [])
  const isOne = inputs.length === 1
  const reached = isOne ? coverage.take() : coverage.peek()
  const found = { executions: inputs.length, ranges: isOne ? reached : 0, kept: [] }
  if (reached === 0 || (!isOne && performance.now() > endsAt)) return found
  if (isOne) return { ...found, kept: inputs }
  const middle = Math.ceil(inputs.length / 2)
  for (const half of [inputs.slice(0, middle), inputs.slice(middle)]) {
    const { executions, ranges, kept } = keepNew(target, half, guide)
    found.executions += executions
    found.ranges += ranges
    found.kept.push(...kept)
  }
  return found
}

function run(target, input, crashes) {
  const began = performance.now()
  try {
    target.run(input)
  } catch (error) {
    if (!target.isRefusal(error)) crashes.push({ input, what: error.stack ?? String(error) })
  }
  const tookMs = performance.now() - began
  if (tookMs > slowMs) crashes.push({ input, what: `took ${Math.round(tookMs)} ms` })
}

function report({ name }, { input, what }, seed) {
  const folder = join(root, 'reports')
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `fuzz-${name}-${seed}-${process.hrtime.bigint()}`)
  writeFileSync(file, input)
  console.error(`fuzz ${name}: ${what}\n  input: ${file}`)
}
