/**
 * A vitest reporter for `npm test`: writes how many passed, failed and were skipped and which failed, and says why each was
 * skipped. One that does not say so has failed.
 */
import { writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { say } from './say.mjs'
import { root } from './sources.mjs'

export default class CountsReporter {
  onTestRunEnd(modules, errors) {
    const counts = { passed: 0, failed: errors.length, skipped: 0 }
    const cases = errors.map((error) => failed('outside of a test', [error]))
    for (const module of modules) {
      if (module.errors().length > 0) {
        counts.failed += 1
        cases.push(failed(module.moduleId, module.errors()))
      }
      for (const test of module.children.allTests()) {
        const { state, errors: faults } = test.result()
        const reason = state === 'skipped' ? reasonOf(test) : undefined
        counts[state === 'passed' || reason ? state : 'failed'] += 1
        if (reason) say(`skipped: ${test.fullName}: ${reason}`)
        else if (state !== 'passed') {
          const why = state === 'skipped' ? [{ message: 'skipped without a reason' }] : faults
          cases.push(failed(`${relative(root, module.moduleId)} > ${test.fullName}`, why))
        }
      }
    }
    writeFileSync(join(root, 'reports', 'unit.json'), JSON.stringify({ ...counts, cases }))
  }
}

/** Why a test was skipped: what it said itself, its conformance case, or what its name needs; undefined when it is not told. */
export function reasonOf(test) {
  const needs = /\((needs [^)]+)\)/.exec(test.fullName)?.[1]
  return test.result().note || test.meta().conformance?.skipped || needs
}

function failed(name, errors) {
  return { name, status: 'failed', why: errors[0]?.message }
}
