/**
 * The part of a PKCS#11 binding that this package calls, so that tests can put another library behind it and the
 * binding itself is named in one file (`host/load-cryptoki.ts`). All calls are synchronous: the asynchronous forms of
 * `pkcs11js` keep raw pointers into Buffers (PeculiarVentures/pkcs11js#121) and leak (#120).
 */

/** A session, slot or object handle: CK_ULONG in the machine's byte order. */
export type CryptokiHandle = Buffer

export interface Attribute {
  readonly type: number
  readonly value: Buffer | string | number | boolean
}

export interface MechanismSpec {
  readonly mechanism: number
  readonly parameter?: { readonly type: number; readonly [field: string]: unknown }
}

export interface TokenInfo {
  readonly label: string
  readonly manufacturerID: string
  readonly model: string
  readonly serialNumber: string
  readonly flags: number
  /** Bytes; all ones where the token does not say. */
  readonly totalPublicMemory?: bigint
  readonly freePublicMemory?: bigint
  readonly totalPrivateMemory?: bigint
  readonly freePrivateMemory?: bigint
}

/** See PKCS#11 v2.40 Base §5 for each call; every one throws an error that `decodeFailure` reads. */
export interface Cryptoki {
  C_Initialize(options: { flags: number; libraryParameters?: string }): void
  C_Finalize(): void
  C_GetSlotList(tokenPresent: boolean): CryptokiHandle[]
  C_GetTokenInfo(slot: CryptokiHandle): TokenInfo
  C_GetMechanismList(slot: CryptokiHandle): number[]
  C_OpenSession(slot: CryptokiHandle, flags: number): CryptokiHandle
  C_CloseSession(session: CryptokiHandle): void
  C_GetSessionInfo(session: CryptokiHandle): { readonly state: number }
  C_Login(session: CryptokiHandle, userType: number, pin: string): void
  C_CreateObject(session: CryptokiHandle, template: readonly Attribute[]): CryptokiHandle
  C_DestroyObject(session: CryptokiHandle, object: CryptokiHandle): void
  C_FindObjectsInit(session: CryptokiHandle, template: readonly Attribute[]): void
  C_FindObjects(session: CryptokiHandle, max: number): CryptokiHandle[]
  C_FindObjectsFinal(session: CryptokiHandle): void
  C_GetAttributeValue(
    session: CryptokiHandle,
    object: CryptokiHandle,
    template: readonly { readonly type: number }[],
  ): { type: number; value: Buffer }[]
  C_SetAttributeValue(
    session: CryptokiHandle,
    object: CryptokiHandle,
    template: readonly Attribute[],
  ): void
  C_EncryptInit(session: CryptokiHandle, mechanism: MechanismSpec, key: CryptokiHandle): void
  C_Encrypt(session: CryptokiHandle, input: Buffer, output: Buffer): Buffer
  C_DecryptInit(session: CryptokiHandle, mechanism: MechanismSpec, key: CryptokiHandle): void
  C_Decrypt(session: CryptokiHandle, input: Buffer, output: Buffer): Buffer
  C_SignInit(session: CryptokiHandle, mechanism: MechanismSpec, key: CryptokiHandle): void
  C_Sign(session: CryptokiHandle, input: Buffer, output: Buffer): Buffer
  C_GenerateKey(
    session: CryptokiHandle,
    mechanism: MechanismSpec,
    template: readonly Attribute[],
  ): CryptokiHandle
  C_GenerateKeyPair(
    session: CryptokiHandle,
    mechanism: MechanismSpec,
    publicTemplate: readonly Attribute[],
    privateTemplate: readonly Attribute[],
  ): { publicKey: CryptokiHandle; privateKey: CryptokiHandle }
  C_DeriveKey(
    session: CryptokiHandle,
    mechanism: MechanismSpec,
    baseKey: CryptokiHandle,
    template: readonly Attribute[],
  ): CryptokiHandle
  C_WrapKey(
    session: CryptokiHandle,
    mechanism: MechanismSpec,
    wrappingKey: CryptokiHandle,
    key: CryptokiHandle,
    output: Buffer,
  ): Buffer
  C_UnwrapKey(
    session: CryptokiHandle,
    mechanism: MechanismSpec,
    unwrappingKey: CryptokiHandle,
    wrapped: Buffer,
    template: readonly Attribute[],
  ): CryptokiHandle
  C_GenerateRandom(session: CryptokiHandle, output: Buffer): Buffer
}
