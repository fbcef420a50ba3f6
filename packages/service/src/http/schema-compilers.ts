/**
 * The framework's own schema compilers, asked when a schema is first needed: compiling those of all routes was half of what
 * a service's start costs the processor. A schema that cannot be compiled fails its first request, not the start.
 */
import type { FastifyServerOptions } from 'fastify'

type Factories = NonNullable<
  NonNullable<FastifyServerOptions['schemaController']>['compilersFactory']
>

/** Of both compilers, what is passed on. */
type Factory = (...given: unknown[]) => (schemaOfRoute: unknown) => Compiled

interface Compiled {
  (data: unknown): unknown
  /** Of a validator, where the framework looks for what is wrong. */
  errors?: unknown
}

/** For the framework's `schemaController.compilersFactory`. */
export async function lateCompilers(): Promise<Factories> {
  const [{ default: validators }, { default: serializers }] = await Promise.all([
    import('@fastify/ajv-compiler'),
    import('@fastify/fast-json-stringify-compiler'),
  ])
  const factories = {
    buildValidator: late(validators() as unknown as Factory),
    buildSerializer: late(serializers() as unknown as Factory),
  }
  return factories as unknown as Factories
}

function late(factory: Factory): Factory {
  return (...given) => {
    const compile = factory(...given)
    return (schemaOfRoute) => {
      let compiled: Compiled | undefined
      const use: Compiled = (data) => {
        compiled ??= compile(schemaOfRoute)
        const result = compiled(data)
        use.errors = compiled.errors
        return result
      }
      return use
    }
  }
}
