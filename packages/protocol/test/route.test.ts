import { describe, expect, it } from 'vitest'
import * as protocol from '../src/index.js'
import type { RouteSpec } from '../src/route.js'

const { keyHsmRoutes, trusteeRoutes } = protocol
const tables: readonly (readonly [string, readonly RouteSpec[]])[] = Object.entries(protocol)
  .filter((entry): entry is [string, readonly RouteSpec[]] => Array.isArray(entry[1]))
  .filter(([, value]) => value.every((row) => typeof row === 'object' && 'path' in row))

/** Every route that anyone may call, with the reason. A new one is added here or it does not pass. */
const open: Readonly<Record<string, string>> = {
  'POST /v1/enrolments':
    'who enrols has no certificate yet; the organisation’s auth secret is in the body',
  'POST /v1/nodes': 'a further server has no identity yet; its one-time token is in the body',
  'GET /': 'the fingerprint is shown at first contact, and is public',
  'GET /v1/openapi.json':
    'the routes are the same everywhere and public; says nothing of this server',
  'GET /v1/certificate-successions':
    'who asks cannot trust the server yet; each statement proves itself',
  'POST /v1/reload':
    'of control sockets alone: who reaches one may send the service a signal as well',
  'GET /test_hsm': 'as in the old product; the handler lets only the same host in',
  'GET /health': 'asked by monitors without a certificate; says states only',
  'GET /health/live': 'asked by monitors without a certificate; says that it answers',
  'GET /health/ready': 'asked by monitors without a certificate; says states only',
  'GET /health/deep': 'asked by monitors without a certificate; says states only, asks seldom',
  'GET /metrics': 'asked by monitors without a certificate; numbers, no names',
}

const nameOf = (route: RouteSpec) => `${route.method} ${route.path}`

describe('route tables', () => {
  it('are found, the services’ two among them', () => {
    const found = tables.map(([, routes]) => routes)
    expect(found).toContain(keyHsmRoutes)
    expect(found).toContain(trusteeRoutes)
  })

  it.each(tables)('%s names no method and path twice', (_name, routes) => {
    const patterns = routes.map((route) => nameOf(route).replace(/:\w+/g, ':'))
    expect(new Set(patterns).size).toBe(patterns.length)
  })

  const all = tables.flatMap(([table, routes]) =>
    routes.map((route) => [`${table} ${nameOf(route)}`, route] as const),
  )

  it.each(all)('%s keeps the rules', (_name, route) => {
    expect(route.path).toMatch(/^\/(?:[a-z0-9_.-]+|:[a-zA-Z]+)?(?:\/(?:[a-z0-9_.-]+|:[a-zA-Z]+))*$/)
    expect(route.deadlineMs).toBeGreaterThan(0)
    const hasBody = route.method === 'PUT' || route.method === 'POST'
    expect(route.maxBodyBytes).toBeLessThanOrEqual(64 * 1024 * 1024)
    expect(route.summary).toMatch(/^[a-z]/)
    for (const part of [route.params, route.query, ...(hasBody ? [route.body] : [])]) {
      expect(part).toMatchObject({ type: 'object', additionalProperties: false })
    }
    const named = [...route.path.matchAll(/:(\w+)/g)].map((match) => match[1])
    const { properties = {} } = route.params as { properties?: Record<string, unknown> }
    expect(Object.keys(properties)).toEqual(named)
  })

  it.each(all)('%s refuses unknown fields all the way down', (_name, route) => {
    expect(loose(route.body, 'body')).toEqual([])
  })

  it('lets anyone in only where there is a reason', () => {
    const found = all
      .filter(([, route]) => route.access === 'anyone')
      .map(([, route]) => nameOf(route))
    expect(found.filter((name) => open[name] === undefined)).toEqual([])
  })
})

/** Paths of the object schemas that do not refuse unknown fields. */
function loose(schema: unknown, path: string): string[] {
  if (typeof schema !== 'object' || schema === null) return []
  const { type, additionalProperties } = schema as Record<string, unknown>
  const own = type === 'object' && additionalProperties !== false ? [path] : []
  return [
    ...own,
    ...Object.entries(schema).flatMap(([name, value]) => loose(value, `${path}.${name}`)),
  ]
}
