import { describe, expect, it } from 'vitest'
import { toOpenApi, trusteeRoutes } from '../src/index.js'

interface Operation {
  readonly operationId: string
  readonly parameters: readonly { readonly name: string; readonly in: string }[]
  readonly security: readonly object[]
  readonly requestBody?: object
}

const document = toOpenApi({ title: 'Key Trustee Server', version: '1.2.3', routes: trusteeRoutes })
const paths = document['paths'] as Record<string, Record<string, Operation>>
const operations = Object.values(paths).flatMap((path) => Object.values(path))

describe('toOpenApi', () => {
  it('has each route once, with its parameters, its body and its access', () => {
    expect(operations).toHaveLength(trusteeRoutes.length)
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length)
    for (const route of trusteeRoutes) {
      const path = route.path.replace(/:(\w+)/g, '{$1}')
      const operation = paths[path]?.[route.method.toLowerCase()]
      const named = operation?.parameters.filter((one) => one.in === 'path').map(({ name }) => name)
      expect(named).toEqual([...route.path.matchAll(/:(\w+)/g)].map(([, name]) => name))
      expect(operation?.security).toEqual(route.access === 'anyone' ? [] : [{ client: [] }])
      expect(operation?.requestBody !== undefined).toBe(['POST', 'PUT'].includes(route.method))
    }
  })

  it('is plain JSON of version 3.1', () => {
    expect(document['openapi']).toBe('3.1.0')
    expect(JSON.parse(JSON.stringify(document))).toEqual(document)
    expect(JSON.stringify(document)).not.toContain('~kind')
  })
})
