/** `/jmx` as monitors of a Hadoop KMS read it: our meters, and the memory of this process under the names they look for. */
import { badRequest, RemoteError } from '../api/remote-error.js'
import { meterNames, type Meters } from './meters.js'

/** Longer than any bean is called. */
const maxPattern = 500

type Bean = Readonly<Record<string, unknown>> & { readonly name: string }

/**
 * @param query `qry=domain:key=value` with `*` and `?`, or `get=BEAN::ATTRIBUTE`.
 * @throws RemoteError 400 for a query that cannot be read, 404 for an attribute that does not exist.
 */
export function readJmx(query: URLSearchParams, meters: Meters, processName: string): object {
  const beans = listBeans(meters, processName)
  const get = query.get('get')
  if (get !== null) return { beans: [getAttribute(beans, get)] }
  const pattern = query.get('qry') ?? '*:*'
  if (!pattern.includes(':') || pattern.length > maxPattern)
    throw badRequest(`qry must be DOMAIN:KEY=VALUE of at most ${maxPattern} characters`)
  return { beans: beans.filter(({ name }) => isMatch(pattern, name)) }
}

function getAttribute(beans: readonly Bean[], get: string): Bean {
  const [name, attribute, more] = get.split('::')
  if (!name || !attribute || more !== undefined) throw badRequest('get must be BEAN::ATTRIBUTE')
  const bean = beans.find((one) => one.name === name)
  if (!bean || !Object.hasOwn(bean, attribute))
    throw new RemoteError(404, 'io', 'there is no such bean or attribute')
  const { modelerType } = bean
  return { name, modelerType, [attribute]: bean[attribute] }
}

/**
 * Whether `name` is what `pattern` says, where `*` is any text and `?` any character. No regular expression: whoever is authenticated may
 * ask, and a few stars would keep one busy for minutes. Where it goes wrong only the last star takes one character more.
 */
function isMatch(pattern: string, name: string): boolean {
  let [at, star, from] = [0, -1, 0]
  for (let i = 0; i < name.length; ) {
    if (pattern[at] === '*') {
      star = at
      from = i
      at += 1
    } else if (pattern[at] === '?' || pattern[at] === name[i]) {
      at += 1
      i += 1
    } else if (star >= 0) {
      from += 1
      at = star + 1
      i = from
    } else return false
  }
  return /^\**$/.test(pattern.slice(at))
}

function listBeans(meters: Meters, processName: string): Bean[] {
  const { heapUsed, heapTotal, rss, external } = process.memoryUsage()
  const heap = { committed: heapTotal, init: 0, max: -1, used: heapUsed }
  const mega = (bytes: number) => bytes / 2 ** 20
  return [
    ...meterNames.map((name) => toMeterBean(name, meters)),
    {
      name: 'java.lang:type=Memory',
      modelerType: 'node.js',
      HeapMemoryUsage: heap,
      NonHeapMemoryUsage: { committed: external, init: 0, max: -1, used: external },
    },
    {
      name: 'java.lang:type=Runtime',
      modelerType: 'node.js',
      Uptime: Math.round(process.uptime() * 1000),
      VmName: 'Node.js',
      VmVersion: process.version,
    },
    {
      name: `Hadoop:service=${processName},name=JvmMetrics`,
      modelerType: 'JvmMetrics',
      'tag.ProcessName': processName,
      MemHeapUsedM: mega(heapUsed),
      MemHeapCommittedM: mega(heapTotal),
      MemNonHeapUsedM: mega(external),
      MemMaxM: mega(rss),
    },
  ]
}

function toMeterBean(name: (typeof meterNames)[number], meters: Meters): Bean {
  const reading = meters.read(name)
  return {
    name: `metrics:name=hadoop.kms.${name}.calls.meter`,
    modelerType: 'com.codahale.metrics.JmxReporter$JmxMeter',
    Count: reading.count,
    FifteenMinuteRate: reading.fifteenMinuteRate,
    FiveMinuteRate: reading.fiveMinuteRate,
    MeanRate: reading.meanRate,
    OneMinuteRate: reading.oneMinuteRate,
    RateUnit: 'events/second',
  }
}
