import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeTestKms, type TestKms } from '../support/test-kms.js'

let kms: TestKms
beforeAll(async () => {
  kms = await makeTestKms()
  await kms.ask('/v1/keys', { method: 'POST', user: 'a', body: { name: 'k' } })
  await kms.ask('/v1/key/k/_eek?eek_op=generate', { user: 'a' })
  await kms.ask('/v1/keys/names')
})
afterAll(() => kms.close())
const jmx = (query: string) => kms.ask(`/jmx${query}`, { user: 'monitor' })

describe('/jmx', () => {
  it('counts what was called', async () => {
    const { json, headers } = await jmx('?qry=metrics:*')
    expect(headers['content-type']).toBe('application/json; charset=utf8')
    const counts = Object.fromEntries(
      json.beans.map((bean: { name: string; Count: number }) => [
        bean.name.split('.')[2],
        bean.Count,
      ]),
    )
    expect(counts).toMatchObject({ admin: 1, generate_eek: 1, unauthenticated: 1, decrypt_eek: 0 })
  })

  it('has the beans that monitors look for', async () => {
    const { json } = await jmx('?qry=Hadoop:service=KMS,name=JvmMetrics')
    expect(json.beans[0]).toMatchObject({ name: 'Hadoop:service=KMS,name=JvmMetrics' })
    const memory = await jmx('?get=java.lang:type=Memory::HeapMemoryUsage')
    expect(memory.json.beans[0].HeapMemoryUsage.used).toBeGreaterThan(0)
  })

  it.each([
    ['metrics:*', 9],
    ['*', 0],
    ['*:*', 12],
    ['**:**', 12],
    ['java.lang:type=M?mory', 1],
    ['java.lang:type=*o*y', 1],
    ['java.lang:type=Memor', 0],
    ['java.lang:type=Memory?', 0],
    ['java.lang:type=Memory*', 1],
    ['java?lang:*e', 1],
    ['JAVA.lang:*', 0],
    ['(java.lang:.*', 0],
  ])('finds %s', async (pattern, count) => {
    const { status, json } = await jmx(`?qry=${encodeURIComponent(pattern)}`)
    expect(pattern.includes(':') ? [status, json.beans.length] : status).toEqual(
      pattern.includes(':') ? [200, count] : 400,
    )
  })

  it('is not kept busy by many stars', async () => {
    const pattern = `*:${'*'.repeat(400)}zz`
    expect((await jmx(`?qry=${encodeURIComponent(pattern)}`)).json.beans).toEqual([])
    expect((await jmx(`?qry=${encodeURIComponent(`*:${'*a'.repeat(300)}`)}`)).status).toBe(400)
  })

  it('refuses what cannot be asked', async () => {
    expect((await jmx('?qry=x')).status).toBe(400)
    expect((await jmx('?get=x')).status).toBe(400)
    expect((await jmx('?get=a::b')).status).toBe(404)
    expect((await kms.ask('/jmx')).status).toBe(401)
  })

  it('stands beside Prometheus and a status page', async () => {
    expect((await kms.ask('/metrics/prometheus', { user: 'm' })).text).toContain(
      'test_http_request_seconds_bucket',
    )
    expect((await kms.ask('/api/status', { user: 'm' })).json.status).toContain('running')
  })
})
