/*
 * A PKCS#11 module that passes every call to another one, writes the call's name to a log, and fails on demand. For tests.
 *
 * FAULTY_MODULE   path of the real module
 * FAULTY_LOG      file to which the name of each call is appended, one a line
 * FAULTY_CONTROL  file that says what goes wrong: one line "<call> <what> [<number>]", read before each call;
 *                 <call> may be "*". What: "return N" answers N without calling; "hang" never answers; "crash" raises
 *                 SIGSEGV; "close-sessions" closes all sessions of the slot once and then passes the call on. The file is
 *                 removed after "once-return N" and "close-sessions".
 *
 * CK_FUNCTION_LIST is a version and then 68 pointers (PKCS#11 v2.40); no call takes more than eight arguments, all of
 * them of one machine word, so one wrapper fits all.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

enum { passes = 0, answers = 1, countOfCalls = 68, openSession = 12, closeAllSessions = 14 };

static call *real;
static word slotInUse;

static void note(const char *name)
{
  const char *path = getenv("FAULTY_LOG");
  if (!path) return;
  FILE *log = fopen(path, "a");
  if (!log) return;
  fprintf(log, "%s\n", name);
  fclose(log);
}

static int meddle(const char *name, word *answer)
{
  const char *path = getenv("FAULTY_CONTROL");
  FILE *control = path ? fopen(path, "r") : NULL;
  if (!control) return passes;
  char which[64] = "", what[64] = "";
  word number = 0;
  int fields = fscanf(control, "%63s %63s %lu", which, what, &number);
  fclose(control);
  if (fields < 2 || (strcmp(which, "*") != 0 && strcmp(which, name) != 0)) return passes;
  if (strcmp(what, "hang") == 0) for (;;) pause();
  if (strcmp(what, "crash") == 0) raise(SIGSEGV);
  if (strcmp(what, "close-sessions") == 0) {
    unlink(path);
    real[closeAllSessions](slotInUse, 0, 0, 0, 0, 0, 0, 0);
    return passes;
  }
  if (strcmp(what, "once-return") == 0) unlink(path);
  *answer = number;
  return answers;
}

#define WRAP(index, name) \
  static word faulty_##name(word a, word b, word c, word d, word e, word f, word g, word h) \
  { \
    word answer = 0; \
    note(#name); \
    if (index == openSession) slotInUse = a; \
    if (meddle(#name, &answer) == answers) return answer; \
    return real[index](a, b, c, d, e, f, g, h); \
  }
CALLS(WRAP)

static struct { unsigned char version[2]; call calls[countOfCalls]; } list;

word C_GetFunctionList(void **result)
{
  void *module = dlopen(getenv("FAULTY_MODULE"), RTLD_NOW | RTLD_LOCAL);
  word (*getRealList)(void **) = module ? (word (*)(void **))dlsym(module, "C_GetFunctionList") : NULL;
  if (!getRealList) return 5;
  void *realList = NULL;
  word rv = getRealList(&realList);
  if (rv != 0) return rv;
  real = (call *)((char *)realList + sizeof(call));
  memcpy(list.version, realList, sizeof list.version);
#define SET(index, name) list.calls[index] = faulty_##name;
  CALLS(SET)
  *result = &list;
  return 0;
}
