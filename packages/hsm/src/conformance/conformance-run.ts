/** Runs cases on one token, with or without a test framework. */
import { CaseContext } from './case-context.js'
import type { ConformanceCase } from './conformance-case.js'
import { conformanceCases } from './conformance-cases.js'
import { ConformanceFailure, ensure, within } from './failure.js'
import type { HsmUnderTest } from './hsm-under-test.js'

/** No case may take longer; the dearest makes a handful of RSA-3072 keys. */
export const caseLimitMs = 60_000

/** One token under test, from its first case to its last. */
export class ConformanceRun {
  readonly #underTest: HsmUnderTest
  readonly #context: CaseContext

  private constructor(underTest: HsmUnderTest, context: CaseContext) {
    this.#underTest = underTest
    this.#context = context
  }

  static async open(underTest: HsmUnderTest): Promise<ConformanceRun> {
    const { secrets } = underTest
    const findable = secrets.length > 0 && secrets.every((secret) => secret.length >= 8)
    ensure(findable, 'the suite needs secrets of 8 characters or more, to look for them in errors')
    const known = new Set(conformanceCases.map((each) => each.name))
    const stale = Object.keys(underTest.skip?.cases ?? {}).filter((name) => !known.has(name))
    ensure(stale.length === 0, `no case is named "${stale.join('", "')}"`)
    return new ConformanceRun(underTest, new CaseContext(underTest, await underTest.connect()))
  }

  /** Why `each` is not tried here, or undefined when it is. */
  skipReason(each: ConformanceCase): string | undefined {
    const { cases, kinds } = this.#underTest.skip ?? {}
    const byKind = each.kind && kinds?.[each.kind]
    return cases?.[each.name] ?? byKind ?? this.#missingHook(each) ?? this.#blindness(each)
  }

  /** Runs one case and tidies up after it. @throws ConformanceFailure when the backend breaks the rule. */
  async run(each: ConformanceCase): Promise<void> {
    this.#ensureRunnable(each)
    try {
      await within(caseLimitMs, each.run(this.#context), each.name)
    } finally {
      await this.#context.tidy()
    }
  }

  async close(): Promise<void> {
    await this.#context.close()
  }

  /** The reason given for a hook that `each` needs and that is not there. */
  #missingHook({ needs = [] }: ConformanceCase): string | undefined {
    const { skip } = this.#underTest
    const missing = needs.filter((hook) => this.#underTest[hook] === undefined)
    return missing.map((hook) => skip?.hooks?.[hook]).find((reason) => reason !== undefined)
  }

  #blindness({ needs = [] }: ConformanceCase): string | undefined {
    const sees = this.#context.hsm.capabilities.seesOutsideChanges
    if (sees || !needs.includes('removeOutside')) return undefined
    return 'the profile says that it does not see changes by others'
  }

  #ensureRunnable(each: ConformanceCase): void {
    for (const hook of each.needs ?? []) {
      const given = this.#underTest[hook] !== undefined
      ensure(given, `the hook ${hook} is missing and no reason is given`)
    }
    const { kinds } = this.#context.hsm.capabilities
    if (each.kind && !kinds.includes(each.kind)) {
      throw new ConformanceFailure(`kind ${each.kind} is not supported and no reason is given`)
    }
  }
}
