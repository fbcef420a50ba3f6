/** Who calls, and what the reply must carry because of how that was found out. */
import type { ForeignReply } from '@keyhsm/service'

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

/** The caller, or the answer that ends the request here. */
export type Authentication =
  | { readonly caller: Caller; readonly headers: ReplyHeaders }
  | { readonly reply: ForeignReply }
