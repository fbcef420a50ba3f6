/** OpenAPI 3.1 from the route table: what is served is what is checked. @see https://spec.openapis.org/oas/v3.1.0 */
import type { TSchema } from 'typebox'
import { problemMediaType } from './problem.js'
import type { RouteSpec } from './route.js'

interface ObjectSchema {
  readonly properties?: Readonly<Record<string, TSchema>>
  readonly required?: readonly string[]
}

/** One document for `routes`; the schemas are JSON Schema 2020-12 already. */
export function toOpenApi(o: {
  readonly title: string
  readonly version: string
  readonly routes: readonly RouteSpec[]
}): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const route of o.routes) {
    const path = route.path.replace(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: toOperation(route) }
  }
  return {
    openapi: '3.1.0',
    info: { title: o.title, version: o.version },
    jsonSchemaDialect: 'https://json-schema.org/draft/2020-12/schema',
    paths,
    components: {
      securitySchemes: {
        client: { type: 'mutualTLS', description: 'certificate of an enrolled, active client' },
      },
      schemas: { Problem: problemSchema },
    },
  }
}

const problemSchema = {
  type: 'object',
  required: ['status', 'code', 'detail'],
  properties: {
    status: { type: 'integer' },
    code: { type: 'string', pattern: '^ERR_[A-Z_]+$' },
    detail: { type: 'string' },
    faults: {
      type: 'array',
      items: {
        type: 'object',
        required: ['field', 'rule'],
        properties: { field: { type: 'string' }, rule: { type: 'string' } },
      },
    },
    retryAfterMs: { type: 'number' },
    requestId: { type: 'string' },
  },
}

function toOperation(route: RouteSpec): Record<string, unknown> {
  const takesBody = route.method === 'POST' || route.method === 'PUT'
  const body = plain(route.body)
  return {
    operationId: operationIdOf(route),
    summary: route.summary,
    security: route.access === 'anyone' ? [] : [{ [route.access]: [] }],
    parameters: [
      ...parametersOf(route.params, 'path'),
      ...parametersOf(route.query, 'query'),
      ...(route.headers ? parametersOf(route.headers, 'header') : []),
    ],
    ...(takesBody
      ? { requestBody: { required: true, content: { 'application/json': { schema: body } } } }
      : {}),
    responses: {
      ...successesOf(route),
      default: {
        description: 'refused, or not possible now',
        content: { [problemMediaType]: { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    },
  }
}

function successesOf({ success, otherSuccess, reply, replyMedia = 'application/json' }: RouteSpec) {
  const content = { [replyMedia]: { schema: plain(reply) } }
  const done = { [success]: { description: 'success', content } }
  if (otherSuccess === undefined) return done
  return { ...done, [otherSuccess]: { description: 'begun, and ends by itself', content } }
}

function parametersOf(
  schema: TSchema,
  place: 'path' | 'query' | 'header',
): Record<string, unknown>[] {
  const { properties = {}, required = [] } = schema as ObjectSchema
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    schema: plain(property),
  }))
}

/** `get /v1/deposits/:ref` → `getV1DepositsRef`: one for each route, because method and path are. */
function operationIdOf({ method, path }: RouteSpec): string {
  const words = path.split(/[^A-Za-z0-9]+/).filter((word) => word !== '')
  const name = words.map((word) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`).join('')
  return `${method.toLowerCase()}${name}`
}

/** Without the marks that the schema library keeps beside the schema's own members. */
function plain(schema: TSchema): unknown {
  return JSON.parse(
    JSON.stringify(schema, (name, value: unknown) => (name.startsWith('~') ? undefined : value)),
  )
}
