/** The suite as vitest tests. Only this file knows vitest; nothing that runs in production imports it. */
import { afterAll, beforeAll, describe, test } from 'vitest'
import type { Scope } from './conformance-case.js'
import { conformanceCases, leanCases, type Representatives } from './conformance-cases.js'
import { ConformanceRun, caseLimitMs } from './conformance-run.js'
import type { HsmUnderTest } from './hsm-under-test.js'

/** What vitest's JSON report carries for each case (`meta.conformance`): the grid is printed from it. */
export interface ConformanceMeta {
  /** The module, as `describeHsm` was given it. */
  readonly module: string
  readonly case: string
  /** `any` when the rule does not depend on it. */
  readonly kind: string
  readonly scope: Scope | 'any'
  /** Why it was not tried; empty when it was. */
  readonly skipped: string
}

declare module 'vitest' {
  interface TaskMeta {
    conformance?: ConformanceMeta
  }
}

/** `npm run conformance` sets it: every rule is then tried with every kind. */
const full = process.env['KEYHSM_CONFORMANCE'] === 'full'

/**
 * Describes one test for each rule of the contract, run on the token that `setup` gives. Unless the environment asks for
 * the full grid, rules that do not depend on the kind of key are tried with the kinds of `representatives` only.
 * @param module names the backend in the report, e.g. `softhsm`
 */
export function describeHsm(
  module: string,
  setup: () => Promise<HsmUnderTest> | HsmUnderTest,
  representatives: Representatives = { pair: 'ec-p256', secret: 'aes-256' },
): void {
  const cases = full ? conformanceCases : leanCases(representatives)
  describe(`conformance of ${module}`, { timeout: 2 * caseLimitMs }, () => {
    let run: ConformanceRun | undefined

    beforeAll(async () => {
      run = await ConformanceRun.open(await setup())
    }, caseLimitMs)

    afterAll(async () => {
      await run?.close()
    }, caseLimitMs)

    for (const each of cases) {
      test(each.name, async ({ task, skip }) => {
        if (!run) throw new Error('setup failed')
        const reason = run.skipReason(each)
        const { name, kind = 'any', scope = 'any' } = each
        task.meta.conformance = { module, case: name, kind, scope, skipped: reason ?? '' }
        if (reason !== undefined) skip(reason)
        await run.run(each)
      })
    }
  })
}

/** Reports a module that cannot be tried here, with the reason, in the place of its tests. */
export function skipHsm(module: string, reason: string): void {
  const conformance = {
    module,
    case: 'every rule',
    kind: 'any',
    scope: 'any',
    skipped: reason,
  } as const
  describe(`conformance of ${module}`, () => {
    test.skip(`not tried: ${reason}`, { meta: { conformance } }, () => undefined)
  })
}
