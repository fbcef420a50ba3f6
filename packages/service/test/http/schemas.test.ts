/** Services compile a route's schemas when it is first asked; here all are, and checked by JSON Schema's own besides. */
import ajv from '@fastify/ajv-compiler'
import stringify from '@fastify/fast-json-stringify-compiler'
import * as protocol from '@keyhsm/protocol'
import type { RouteSpec } from '@keyhsm/protocol'
import { expect, it } from 'vitest'

const tables = Object.entries(protocol)
  .filter(([name]) => name.endsWith('Routes'))
  .map(([, routes]) => routes as readonly RouteSpec[])
const customOptions = { coerceTypes: false, useDefaults: false, removeAdditional: false } as const

it('every schema of every route compiles', () => {
  const validator = ajv()({}, { customOptions })
  const serializer = stringify()({}, {})
  const routes = tables.flat()
  expect(routes.length).toBeGreaterThan(80)
  for (const { method, path, params, query, body, reply, success } of routes) {
    const route = { method, url: path }
    for (const schema of [params, query, body]) {
      expect(() => validator({ ...route, schema } as never), `${method} ${path}`).not.toThrow()
    }
    const answer = { ...route, schema: reply, httpStatus: String(success) }
    expect(() => serializer(answer), `${method} ${path}`).not.toThrow()
  }
})
