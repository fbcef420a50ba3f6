/**
 * What a refusal of the appliance means. The vendor's list of error numbers is not public, so a refusal is recognised by
 * words of its text where they are unmistakable, and by behaviour where they are not: nothing that destroys or gives up
 * rests on a text alone (docs/decisions/0036-nae-failures.md).
 */

/** Meanings that a text can have; everything else is `unknown`. */
export type FailureClass =
  | 'login-refused'
  | 'session-lost'
  | 'missing-or-forbidden'
  | 'forbidden'
  | 'exists'
  | 'not-deletable'
  | 'key-disabled'
  | 'full'
  | 'bad-ciphertext'
  | 'key-operations-off'
  | 'crypto-operations-off'
  | 'not-supported'
  | 'busy'
  | 'bad-request'
  | 'unknown'

interface ClassRow {
  readonly words: RegExp
  readonly means: FailureClass
}

/** Tried in this order; the first that matches holds. */
const rows: readonly ClassRow[] = [
  {
    words: /policy configuration|key operations? (is|are) (disabled|not)/i,
    means: 'key-operations-off',
  },
  {
    words: /crypto(graphic)? operations? (is|are) (disabled|not|deactivated)/i,
    means: 'crypto-operations-off',
  },
  {
    words:
      /invalid (user|password|credential)|bad password|user (not found|is locked)|locked out|authentication failed/i,
    means: 'login-refused',
  },
  { words: /not authenticated|session (expired|closed)|login required/i, means: 'session-lost' },
  { words: /not deletable|cannot be deleted/i, means: 'not-deletable' },
  { words: /already exists|duplicate/i, means: 'exists' },
  {
    words: /unknown key|no such key|key .{0,80}(not found|does not exist)/i,
    means: 'missing-or-forbidden',
  },
  { words: /insufficient permission|not permitted|access denied/i, means: 'forbidden' },
  { words: /retired|restricted|wiped|key version state/i, means: 'key-disabled' },
  { words: /capacity|too many keys|licen[cs]e|maximum number of keys/i, means: 'full' },
  {
    words: /padding|decrypt(ion)? (error|failed)|bad ciphertext|tag mismatch|auth tag/i,
    means: 'bad-ciphertext',
  },
  {
    words: /unsupported|not supported|unknown algorithm|invalid algorithm/i,
    means: 'not-supported',
  },
  { words: /time-?out|overload|too busy|try again|internal error|cluster/i, means: 'busy' },
  {
    words: /parse|malformed|unknown request|unexpected element|bad request/i,
    means: 'bad-request',
  },
]

/** The meaning of an `ErrorString`. */
export function classifyFailure(errorString: string): FailureClass {
  return rows.find((row) => row.words.test(errorString))?.means ?? 'unknown'
}
