import { channel } from 'node:diagnostics_channel'
import { describe, expect, it, onTestFinished } from 'vitest'
import { depositSteps, reached } from '../src/steps.js'

describe('reached', () => {
  it('tells who listens, in order, and nobody when nobody does', () => {
    const steps = channel('keyhsm:step')
    const seen: unknown[] = []
    const listen = (step: unknown) => {
      seen.push(step)
    }
    reached('put:reserved')
    steps.subscribe(listen)
    onTestFinished(() => {
      steps.unsubscribe(listen)
    })
    for (const step of depositSteps) reached(step)
    expect(seen).toEqual([...depositSteps])
    expect(new Set(depositSteps).size).toBe(depositSteps.length)
  })
})
