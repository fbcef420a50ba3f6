/**
 * The alerts of docs/operations/alerts.json: the page for people, the rules for Prometheus, what is wrong with a row, and whether
 * a row's threshold is crossed by what a service shows. One table, so that none of them can differ.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { root } from './sources.mjs'

const folder = 'docs/operations'

/** @type {readonly Alert[]} */
export const alerts = JSON.parse(readFileSync(join(root, folder, 'alerts.json'), 'utf8'))

/** Where an alert is fired, by the first word of `fired`. */
export const proofs = {
  runbooks: 'breaking the installation as these sections of outage.md do (`npm run runbooks`)',
  further: 'a fault of its own, in the same run (`npm run runbooks`)',
  'fail-over':
    'losing a real primary, then a server, whose last sign of life is dated back by a minute (`npm run fail-over`)',
}

const compares = {
  '==': (value, threshold) => value === threshold,
  '<': (value, threshold) => value < threshold,
  '>': (value, threshold) => value > threshold,
  '>=': (value, threshold) => value >= threshold,
}

/** PromQL. */
export function expressionOf({ metric, labels = {}, per, increase, until, compare, threshold }) {
  const matchers = Object.entries(labels).map(
    ([name, value]) => `${name}${isPattern(value) ? '=~' : '='}"${value}"`,
  )
  const selector = matchers.length === 0 ? metric : `${metric}{${matchers.join(',')}}`
  const value =
    per !== undefined
      ? `${selector} / ${per}`
      : increase !== undefined
        ? `sum by (instance) (increase(${selector}[${increase}]))`
        : until
          ? `${selector} - time()`
          : selector
  return `${value} ${compare} ${threshold}`
}

/** Patterns are the few that status codes need. */
function isPattern(value) {
  return value.includes('.')
}

/**
 * Whether the threshold is crossed, as Prometheus would find it. `scrapes`: samples by job, undefined for a job that did not
 * answer; `before`: the same from some time earlier, for increases.
 */
export function isCrossed(alert, scrapes, { before = {}, now = Date.now() / 1000 } = {}) {
  const { compare, threshold, until, per, increase } = alert
  if (alert.metric === 'up')
    return compares[compare](scrapes[alert.labels.job] === undefined ? 0 : 1, threshold)
  const found = select(alert, scrapes)
  if (increase !== undefined) {
    const risen = sum(found) - sum(select(alert, before))
    return found.length > 0 && compares[compare](risen, threshold)
  }
  const divisors = per === undefined ? [] : select({ metric: per }, scrapes)
  return found.some(({ labels, value }) => {
    if (until) return compares[compare](value - now, threshold)
    if (per === undefined) return compares[compare](value, threshold)
    const divisor = divisors.find((other) => sameLabels(other.labels, labels))
    return divisor !== undefined && compares[compare](value / divisor.value, threshold)
  })
}

function select({ metric, labels = {} }, scrapes) {
  const wanted = Object.entries(labels).map(([name, value]) => [name, new RegExp(`^${value}$`)])
  return Object.values(scrapes)
    .flatMap((samples) => samples ?? [])
    .filter(({ name }) => name === metric)
    .filter((sample) => wanted.every(([name, value]) => value.test(sample.labels[name] ?? '')))
}

function sum(samples) {
  return samples.reduce((total, { value }) => total + value, 0)
}

function sameLabels(a, b) {
  return isDeepStrictEqual(a, b)
}

/** Samples of the text that a service answers. @throws Error for a line that is none. */
export function parseScrape(text) {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [, name, labels = '', value] =
        /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (-?\d\S*|[-+]?Inf|N[aA][nN])$/.exec(line) ??
        unreadable(line)
      const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)]
      return {
        name,
        labels: Object.fromEntries(pairs.map(([, key, text]) => [key, text])),
        value: Number(value),
      }
    })
}

function unreadable(line) {
  throw new Error(`not a sample: ${line}`)
}

/** What is wrong with the table; `metrics` are the names that services show, `hasCommand` knows commands. */
export function alertFaults(metrics, hasCommand) {
  const names = alerts.map(({ name }) => name)
  return alerts.flatMap((alert) => {
    const faults = []
    const say = (what) => faults.push(`${folder}/alerts.json: ${alert.name} ${what}`)
    if (names.indexOf(alert.name) !== names.lastIndexOf(alert.name)) say('stands twice')
    for (const metric of [alert.metric, alert.per ?? 'up'])
      if (metric !== 'up' && !metrics.has(metric)) say(`names ${metric}, which no service shows`)
    if (compares[alert.compare] === undefined) say(`compares by ${alert.compare}`)
    if (!/^\d+[smh]$/.test(alert.for)) say('needs for: 30s, 1m, 1h')
    if (!['page', 'ticket'].includes(alert.severity)) say('is neither page nor ticket')
    if (proofs[alert.fired.split(' ')[0]] === undefined) say(`is fired by ${alert.fired}`)
    if (!hasCommand(alert.command)) say(`begins with a command that is none: ${alert.command}`)
    if (!hasSection(alert.runbook)) say(`names ${alert.runbook}, which is no section`)
    return faults
  })
}

function hasSection(target) {
  const [page, anchor] = target.split('#')
  const path = join(root, folder, page)
  if (!existsSync(path)) return false
  const headings = readFileSync(path, 'utf8').matchAll(/^#+ (.+)$/gm)
  return anchor === undefined || [...headings].some(([, title]) => anchorOf(title) === anchor)
}

function anchorOf(title) {
  return title
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} -]/gu, '')
    .replaceAll(' ', '-')
}

/** `alerts.rules.yml`. JSON strings are YAML strings. */
export function rulesText() {
  const rules = alerts.map((alert) => {
    const { name, severity, summary, command, runbook } = alert
    return [
      `      - alert: ${name}`,
      `        expr: ${JSON.stringify(expressionOf(alert))}`,
      `        for: ${alert.for}`,
      `        labels: { severity: ${severity} }`,
      '        annotations:',
      `          summary: ${JSON.stringify(summary)}`,
      `          command: ${JSON.stringify(command)}`,
      `          runbook: ${JSON.stringify(`${folder}/${runbook}`)}`,
    ].join('\n')
  })
  return `# Generated by npm run docs from ${folder}/alerts.json; do not edit.\ngroups:\n  - name: key-trustee\n    rules:\n${rules.join('\n')}\n`
}

const intro = `# Alerts

Generated by \`npm run docs\` from [alerts.json](alerts.json); do not edit.

[alerts.rules.yml](alerts.rules.yml) holds the same for Prometheus. A *page* wakes somebody, a *ticket* waits for the morning. Each
names the command to begin with and the page that goes on from there. Numbers are explained in [metrics.md](metrics.md).

\`\`\`yaml
rule_files: [alerts.rules.yml]
scrape_configs:                                  # the names of the jobs stand in the rules
  - job_name: keyhsm                             # keyhsm.service.address and .port, on its own machine by default
    static_configs: [{ targets: ['127.0.0.1:19791'] }]
  - job_name: keytrustee                         # keytrustee.monitoring.address and .port, which must be set
    static_configs: [{ targets: ['127.0.0.1:11372'] }]
  - job_name: keytrustee-kms                     # asks for authentication: simple, or a token of its own
    scheme: https
    metrics_path: /kms/metrics/prometheus
    params: { user.name: [monitor] }
    tls_config: { ca_file: /var/lib/keytrustee-kms/tls/kms.pem }
    static_configs: [{ targets: ['127.0.0.1:9600'] }]
\`\`\`

Those about the database's copies and other servers say nothing with a private cluster, whose server does not show these numbers.
`

/** `alerts.md`. */
export function alertsPage() {
  const rows = alerts.map((alert) => {
    const { name, summary, severity, command, runbook, fired } = alert
    const link = `[${runbook.replace('#', ', ').replaceAll('-', ' ')}](${runbook})`
    return `| ${name} | ${summary} | \`${expressionOf(alert)}\` | ${alert.for} | ${severity} | \`${command}\` | ${link} | ${fired} |`
  })
  const head =
    '| alert | means | when | for | how urgent | first command | then | fired by |\n|---|---|---|---|---|---|---|---|'
  const how = Object.entries(proofs).map(([word, what]) => `| ${word} | ${what} |`)
  return `${intro}\n${head}\n${rows.join('\n')}\n
## How each was fired

Each is fired once in a test: the threshold is not crossed before the fault, is crossed by what \`/metrics\` says during it, and no more
after the cure of its page.

| fired by | how |
|---|---|
${how.join('\n')}
`
}

/**
 * @typedef {object} Alert
 * @property {string} name
 * @property {string} summary what is wrong, without a full stop
 * @property {string} metric the name of a series, or \`up\`, which Prometheus makes itself
 * @property {Record<string, string>} [labels] each equal to the value, or, where that has a dot, matching it
 * @property {string} [per] divided by this series with the same labels
 * @property {string} [increase] how much it rose within this time, over all its series
 * @property {boolean} [until] the seconds until this time
 * @property {'==' | '<' | '>' | '>='} compare
 * @property {number} threshold
 * @property {string} for
 * @property {'page' | 'ticket'} severity
 * @property {string} command the first one to type
 * @property {string} runbook page of docs/operations, with its section
 * @property {string} fired one of {@link proofs}, with numbers of runbooks
 */
