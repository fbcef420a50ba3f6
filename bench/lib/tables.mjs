/** The results as text. Ratios stand beside every rate: a bare number says more about the machine than about us. */

export function formatResults({ raws, rows, store, migrations, kms, readiness, memory }) {
  const parts = []
  if (raws.length > 0) parts.push(title('Raw PKCS#11 calls (the limit)'), table(rawColumns, raws))
  for (const [layer, words] of Object.entries(layers)) {
    const mine = rows.filter((row) => row.layer === layer)
    if (mine.length === 0) continue
    parts.push(title(words), table(columnsFor(mine), mine))
    parts.push('\nCPU milliseconds for one operation:\n', table(cpuColumnsFor(mine), mine))
  }
  if (store.length > 0)
    parts.push(title('The Trustee Server at few and at many deposits'), table(storeColumns, store))
  if (migrations.length > 0)
    parts.push(
      title('Migration of unsealed deposits into the HSM'),
      table(migrationColumns, migrations),
    )
  if (kms.length > 0) parts.push(title('The KMS beside Hadoop’s own'), table(kmsColumns, kms))
  if (readiness.length > 0)
    parts.push(title('Time to ready of Key HSM'), table(readyColumns, readiness))
  if (memory.length > 0) parts.push(title('Resident memory, MiB'), table(memoryColumns, memory))
  return parts.join('\n')
}

const layers = {
  backend: 'Backend: Hsm of @keyhsm/hsm-pkcs11',
  keyhsm: 'Key HSM: seal and open over mTLS',
  device: 'Key HSM before a device that computes by itself: seal and open over mTLS',
  whole: 'Both services and PostgreSQL: put and get',
}

const rawColumns = [
  ['operation', ({ title: words }) => words],
  ['threads', ({ threads }) => `${threads}`],
  ['per second', ({ rate }) => number(rate)],
  ['p50 ms', ({ p50Ms }) => ms(p50Ms)],
  ['p99 ms', ({ p99Ms }) => ms(p99Ms)],
  ['cpu ms', ({ cpuMs }) => ms(cpuMs)],
  ['from C', ({ rateInC }) => number(rateInC)],
  ['of C', ({ rate, rateInC }) => ratio(rateInC && rate / rateInC)],
  ['of C, cpu', ({ cpuMs, cpuMsInC }) => ratio(cpuMsInC && cpuMsInC / cpuMs)],
  ['failed', ({ failed }) => (failed ? `${failed}` : '')],
]

const cellColumns = [
  ['operation', ({ operation }) => operation],
  ['scope', ({ scope }) => scope],
  ['kind', ({ kind }) => kind],
  ['at once', ({ concurrency }) => `${concurrency}`],
]

const rateColumns = [
  ['per second', ({ rate }) => number(rate)],
  ['p50 ms', ({ p50Ms }) => ms(p50Ms)],
  ['p99 ms', ({ p99Ms }) => ms(p99Ms)],
  ['raw x1', ({ limitOne }) => number(limitOne)],
  ['raw x2', ({ limitTwo }) => number(limitTwo)],
  ['of x1', ({ ofOne }) => ratio(ofOne)],
  ['of x2', ({ ofTwo }) => ratio(ofTwo)],
]

/** The event loops of those services that took part. */
function columnsFor(rows) {
  const loops = Object.keys(rows[0].loopDelayP99Ms)
  const failed = rows.some((row) => Object.keys(row.failures).length > 0)
  return [
    ...cellColumns,
    ...rateColumns,
    ...loops.map((name) => [`${name} loop p99 ms`, (row) => ms(row.loopDelayP99Ms[name])]),
    ...(failed ? [['failed', ({ failures }) => formatFailures(failures)]] : []),
  ]
}

function cpuColumnsFor(rows) {
  const roles = Object.keys(rows[0].cpuMsPerOperation)
  return [
    ...cellColumns,
    ...roles.map((role) => [role, (row) => ms(row.cpuMsPerOperation[role])]),
    ['raw call', ({ limitCpuMs }) => ms(limitCpuMs)],
    ['of cpu', ({ ofCpu }) => ratio(ofCpu)],
    ['others, cores', ({ othersCores }) => ratio(othersCores)],
  ]
}

const storeColumns = [
  ['operation', ({ operation }) => operation],
  ['deposits', ({ deposits }) => number(deposits)],
  ['at once', ({ concurrency }) => `${concurrency}`],
  ['per second', ({ rate }) => number(rate)],
  ['p50 ms', ({ p50Ms }) => ms(p50Ms)],
  ['p99 ms', ({ p99Ms }) => ms(p99Ms)],
  ['of INSERT', ({ ofInsert }) => ratio(ofInsert)],
  ['of its rows', ({ ofRows }) => ratio(ofRows)],
  ['slower by', ({ ofFew }) => ratio(ofFew)],
  ['failed', ({ failures }) => formatFailures(failures)],
]

const migrationColumns = [
  ['HSM', ({ hsm }) => hsm],
  ['kind', ({ kind }) => kind],
  ['deposits', ({ deposits }) => number(deposits)],
  ['per second', ({ rate }) => number(rate)],
  ['raw x1', ({ limitOne }) => number(limitOne)],
  ['raw x2', ({ limitTwo }) => number(limitTwo)],
  ['of x1', ({ ofOne }) => ratio(ofOne)],
  ['of x2', ({ ofTwo }) => ratio(ofTwo)],
  ['cpu ms', ({ cpuMs }) => ms(cpuMs)],
  ['of cpu', ({ ofCpu }) => ratio(ofCpu)],
  ['MiB at 10 %', ({ early }) => formatMemory(early)],
  ['MiB at 100 %', ({ late }) => formatMemory(late)],
  ['others, cores', ({ othersCores }) => ratio(othersCores)],
]

const kmsColumns = [
  ['operation', ({ operation }) => operation],
  ['server', ({ server }) => server],
  ['over', ({ transport }) => transport],
  ['at once', ({ concurrency }) => `${concurrency}`],
  ['per second', ({ rate }) => number(rate)],
  ['p50 ms', ({ p50Ms }) => ms(p50Ms)],
  ['p99 ms', ({ p99Ms }) => ms(p99Ms)],
  ['server cpu ms', ({ serverCpuMs }) => ms(serverCpuMs)],
  ['of Hadoop’s', ({ ofOriginal }) => ratio(ofOriginal)],
  ['of raw', ({ ofRaw }) => ratio(ofRaw)],
  ['others, cores', ({ othersCores }) => ratio(othersCores)],
  ['failed', ({ failures }) => formatFailures(failures)],
]

const readyColumns = [
  ['keys on the token', ({ keys }) => `${keys}`],
  ['`keyhsm start` ms', ({ commandMs }) => number(commandMs)],
  ['service ms', ({ serviceMs }) => number(serviceMs)],
]

const memoryColumns = [
  ['when', ({ when }) => when],
  ['process', ({ process }) => process],
  ['resident', ({ residentMiB }) => number(residentMiB)],
  ['highest', ({ highestMiB }) => number(highestMiB)],
  ['proportional', ({ proportionalMiB }) => number(proportionalMiB)],
]

function title(words) {
  return `\n### ${words}\n`
}

/** A Markdown table whose columns line up as text; the first columns to the left, figures to the right. */
function table(columns, rows) {
  const cells = rows.map((row) => columns.map(([, format]) => format(row) ?? ''))
  const all = [columns.map(([name]) => name), ...cells]
  const widths = columns.map((_, index) => Math.max(...all.map((line) => line[index].length)))
  const figures = columns.map(
    (_, index) =>
      cells.every((line) => /^[\d.,-]*$/.test(line[index])) &&
      cells.some((line) => /\d/.test(line[index])),
  )
  const format = (line) =>
    `| ${line.map((cell, index) => (figures[index] ? cell.padStart(widths[index]) : cell.padEnd(widths[index]))).join(' | ')} |`
  const rule = `|${widths.map((width, index) => (figures[index] ? `${'-'.repeat(width + 1)}:` : '-'.repeat(width + 2))).join('|')}|`
  return [format(all[0]), rule, ...all.slice(1).map(format)].join('\n')
}

/** `keytrustee 180, keyhsm 110, host 130` */
function formatMemory(residentMiB) {
  return Object.entries(residentMiB)
    .map(([process, value]) => `${process} ${Math.round(value)}`)
    .join(', ')
}

function number(value) {
  if (value === undefined) return '-'
  return value < 100 ? value.toPrecision(3) : Math.round(value).toLocaleString('en-US')
}

function ms(value) {
  if (value === undefined || Number.isNaN(value)) return '-'
  return value < 10 ? value.toFixed(2) : value.toFixed(1)
}

function ratio(value) {
  return value === undefined ? '-' : value.toFixed(2)
}

function formatFailures(failures) {
  return Object.entries(failures)
    .map(([name, times]) => `${times} ${name}`)
    .join(', ')
}
