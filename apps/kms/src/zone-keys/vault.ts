/** Where a KMS keeps what must outlive it: sealed deposits of one client. `trustee-vault.ts` is the one in use. */
import type { Handle } from '@keyhsm/core'

/** A deposit as a listing shows it; removed ones are left out. */
export interface VaultEntry {
  readonly handle: string
  readonly revision: number
}

export interface VaultPut {
  readonly handle: Handle
  /** Wiped by the vault when it is sealed. */
  readonly content: Buffer
  /** `deposit`: by the scope set in Key HSM, so that an HSM key can be revoked for this content alone. */
  readonly scope: 'deposit' | 'service'
  /** Revision to replace; `absent`: only on a free handle. */
  readonly over: number | 'absent'
}

export interface Vault {
  /** Entries whose handles begin with `prefix`, in their order. */
  list(prefix: string): Promise<readonly VaultEntry[]>
  /** One entry, without asking the HSM. */
  find(handle: Handle): Promise<VaultEntry | undefined>
  /**
   * The opened content, proved to be written by this client under this handle; the caller wipes what is secret.
   * @throws ERR_NOT_FOUND, ERR_INTEGRITY, ERR_IRRETRIEVABLE, and the codes of being unable to ask.
   */
  read(handle: Handle): Promise<{ readonly revision: number; readonly content: Buffer }>
  /**
   * Writes all or nothing, once, however often it is repeated on the way.
   * @throws ERR_ALREADY_EXISTS, ERR_CONFLICT when something else was written meanwhile; nothing changed then.
   */
  write(puts: readonly VaultPut[], removes?: readonly Handle[]): Promise<void>
  /**
   * Makes the content unreadable for ever, its HSM key revoked where it has one of its own. Again on what is gone changes nothing.
   */
  purge(handle: Handle): Promise<VaultPurge>
}

export interface VaultPurge {
  /** The HSM could not be asked: nothing opens it any more, and the Trustee Server revokes the key later. */
  readonly pending: boolean
  /** Revisions under an HSM key that others share: their bytes in older backups still open. */
  readonly shared: number
}
