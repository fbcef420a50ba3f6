/** `/jmx` as monitors of a Hadoop KMS read it: our meters, and the memory of this process under the names they look for. */
import { badRequest, RemoteError } from '../api/remote-error.js'
import { meterNames, type Meters } from './meters.js'

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
  if (!pattern.includes(':')) throw badRequest('qry must be DOMAIN:KEY=VALUE')
  const matches = toMatcher(pattern)
  return { beans: beans.filter(({ name }) => matches(name)) }
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

function toMatcher(pattern: string): (name: string) => boolean {
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&')
  const expression = new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`)
  return (name) => expression.test(name)
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
