/** The suite as vitest tests. Only this file knows vitest; nothing that runs in production imports it. */
import { afterAll, beforeAll, describe, test } from 'vitest'
import type { Scope } from './conformance-case.js'
import { conformanceCases } from './conformance-cases.js'
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

/**
 * Describes one test for each rule of the contract, run on the token that `setup` gives.
 * @param module names the backend in the report, e.g. `softhsm`
 */
export function describeHsm(
  module: string,
  setup: () => Promise<HsmUnderTest> | HsmUnderTest,
): void {
  describe(`conformance of ${module}`, { timeout: 2 * caseLimitMs }, () => {
    let run: ConformanceRun | undefined

    beforeAll(async () => {
      run = await ConformanceRun.open(await setup())
    }, caseLimitMs)

    afterAll(async () => {
      await run?.close()
    }, caseLimitMs)

    for (const each of conformanceCases) {
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
