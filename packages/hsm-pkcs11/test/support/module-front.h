/*
 * What a PKCS#11 module needs that stands before another one: every call by its place in CK_FUNCTION_LIST (PKCS#11 v2.40:
 * a version and then 68 pointers), and the list that it shows. No call takes more than eight arguments, all of them of one
 * machine word, so one wrapper fits all. For tests.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long word;
typedef word (*call)(word, word, word, word, word, word, word, word);

#define CALLS(X) \
  X(0, C_Initialize) X(1, C_Finalize) X(2, C_GetInfo) X(3, C_GetFunctionList) X(4, C_GetSlotList) \
  X(5, C_GetSlotInfo) X(6, C_GetTokenInfo) X(7, C_GetMechanismList) X(8, C_GetMechanismInfo) \
  X(9, C_InitToken) X(10, C_InitPIN) X(11, C_SetPIN) X(12, C_OpenSession) X(13, C_CloseSession) \
  X(14, C_CloseAllSessions) X(15, C_GetSessionInfo) X(16, C_GetOperationState) \
  X(17, C_SetOperationState) X(18, C_Login) X(19, C_Logout) X(20, C_CreateObject) X(21, C_CopyObject) \
  X(22, C_DestroyObject) X(23, C_GetObjectSize) X(24, C_GetAttributeValue) X(25, C_SetAttributeValue) \
  X(26, C_FindObjectsInit) X(27, C_FindObjects) X(28, C_FindObjectsFinal) X(29, C_EncryptInit) \
  X(30, C_Encrypt) X(31, C_EncryptUpdate) X(32, C_EncryptFinal) X(33, C_DecryptInit) X(34, C_Decrypt) \
  X(35, C_DecryptUpdate) X(36, C_DecryptFinal) X(37, C_DigestInit) X(38, C_Digest) X(39, C_DigestUpdate) \
  X(40, C_DigestKey) X(41, C_DigestFinal) X(42, C_SignInit) X(43, C_Sign) X(44, C_SignUpdate) \
  X(45, C_SignFinal) X(46, C_SignRecoverInit) X(47, C_SignRecover) X(48, C_VerifyInit) X(49, C_Verify) \
  X(50, C_VerifyUpdate) X(51, C_VerifyFinal) X(52, C_VerifyRecoverInit) X(53, C_VerifyRecover) \
  X(54, C_DigestEncryptUpdate) X(55, C_DecryptDigestUpdate) X(56, C_SignEncryptUpdate) \
  X(57, C_DecryptVerifyUpdate) X(58, C_GenerateKey) X(59, C_GenerateKeyPair) X(60, C_WrapKey) \
  X(61, C_UnwrapKey) X(62, C_DeriveKey) X(63, C_SeedRandom) X(64, C_GenerateRandom) \
  X(65, C_GetFunctionStatus) X(66, C_CancelFunction) X(67, C_WaitForSlotEvent)
#define NAME(index, name) name##_,
enum { CALLS(NAME) countOfCalls };

static call *real;
static struct { unsigned char version[2]; call calls[countOfCalls]; } list;

/* Opens the module with this path and shows its version; CKR_GENERAL_ERROR when it cannot. */
static word openReal(const char *path)
{
  void *module = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
  word (*getRealList)(void **) = module ? (word (*)(void **))dlsym(module, "C_GetFunctionList") : NULL;
  if (!getRealList) return 5;
  void *realList = NULL;
  word rv = getRealList(&realList);
  if (rv != 0) return rv;
  real = (call *)((char *)realList + sizeof(call));
  memcpy(list.version, realList, sizeof list.version);
  return 0;
}
