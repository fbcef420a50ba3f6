import { expect, it } from 'vitest'

interface Skipped {
  readonly fullName: string
  result(): { readonly note?: string }
  meta(): { readonly conformance?: { readonly skipped: string } }
}

const { reasonOf } = (await import(
  new URL('../lib/counts-reporter.mjs', import.meta.url).href
)) as {
  reasonOf(test: Skipped): string | undefined
}

function skipped(fullName: string, note?: string, reason?: string): Skipped {
  return {
    fullName,
    result: () => (note === undefined ? {} : { note }),
    meta: () => (reason === undefined ? {} : { conformance: { skipped: reason } }),
  }
}

it('knows why a test was skipped by its note, its case or its name', () => {
  expect(reasonOf(skipped('rolls', 'logrotate is not installed'))).toBe(
    'logrotate is not installed',
  )
  expect(reasonOf(skipped('wraps', undefined, 'no AES-CMAC'))).toBe('no AES-CMAC')
  expect(reasonOf(skipped('a home (needs root) > is given'))).toBe('needs root')
})

it('does not count one without a reason as skipped', () => {
  expect(reasonOf(skipped('quietly left out (for now)'))).toBeUndefined()
})
