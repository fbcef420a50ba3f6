import { describe, expect, it } from 'vitest'
import { purgeDepositRoute, toOpenApi, trusteePages, trusteeRoutes } from '../src/index.js'

interface Operation {
  readonly operationId: string
  readonly parameters: readonly { readonly name: string; readonly in: string }[]
  readonly security: readonly object[]
  readonly requestBody?: { readonly required: boolean }
  readonly responses: Readonly<Record<string, { readonly content: object }>>
}

const routes = [...trusteeRoutes, ...trusteePages]
const document = toOpenApi({ title: 'Key Trustee Server', version: '1.2.3', routes })
const paths = document['paths'] as Record<string, Record<string, Operation>>
const operations = Object.values(paths).flatMap((path) => Object.values(path))

describe('toOpenApi', () => {
  it('has each route once, with its parameters, its body and its access', () => {
    expect(operations).toHaveLength(routes.length)
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length)
    for (const route of routes) {
      const path = route.path.replace(/:(\w+)/g, '{$1}')
      const operation = paths[path]?.[route.method.toLowerCase()]
      const named = operation?.parameters.filter((one) => one.in === 'path').map(({ name }) => name)
      expect(named).toEqual([...route.path.matchAll(/:(\w+)/g)].map(([, name]) => name))
      expect(operation?.security).toEqual(route.access === 'anyone' ? [] : [{ client: [] }])
      expect(operation?.requestBody?.required ?? false).toBe(['POST', 'PUT'].includes(route.method))
      expect(Object.keys(operation?.responses ?? {})).toContain(String(route.success))
    }
  })

  it('says what is not like the rest: conditions of a put, a purge that goes on, plain text', () => {
    const headers = paths['/v1/deposits/{handle}']?.['put']?.parameters.filter(
      (one) => one.in === 'header',
    )
    expect(headers?.map(({ name }) => name)).toEqual(['If-None-Match', 'If-Match'])
    const purge = paths[purgeDepositRoute.path.replace(':ref', '{ref}')]?.['post']
    expect(Object.keys(purge?.responses ?? {})).toEqual(['200', '202', 'default'])
    expect(paths['/']?.['get']?.responses['200']?.content).toHaveProperty(['text/plain'])
  })

  it('is plain JSON of version 3.1', () => {
    expect(document['openapi']).toBe('3.1.0')
    expect(JSON.parse(JSON.stringify(document))).toEqual(document)
    expect(JSON.stringify(document)).not.toContain('~kind')
  })
})
