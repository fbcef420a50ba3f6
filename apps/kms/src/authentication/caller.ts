/** Who calls, and what the reply must carry because of how that was found out. */

export interface Name {
  /** What rules and lists go by. */
  readonly short: string
  /** A Kerberos principal, or the short name again. */
  readonly full: string
}

export interface Caller {
  /** Whose rights count. */
  readonly user: Name
  /** Who really called, when it acts for {@link user}. */
  readonly realUser?: Name | undefined
  readonly by: 'cookie' | 'token' | 'simple' | 'kerberos' | 'operator'
}

/** Header fields in lower case. */
export type ReplyHeaders = Readonly<Record<string, string>>
