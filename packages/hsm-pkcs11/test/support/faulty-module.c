/*
 * A PKCS#11 module that passes every call to another one, writes the call's name to a log, and fails on demand. For tests.
 *
 * FAULTY_MODULE   path of the real module
 * FAULTY_LOG      file to which the name of each call is appended, one a line
 * FAULTY_CONTROL  file that says what goes wrong: one line "<call> <what> [<number>]", read before each call;
 *                 <call> may be "*". What: "return N" answers N without calling; "hang" never answers; "crash" raises
 *                 SIGSEGV; "close-sessions" closes all sessions of the slot once and then passes the call on. The file is
 *                 removed after "once-return N" and "close-sessions".
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "module-front.h"

enum { passes = 0, answers = 1 };

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
    real[C_CloseAllSessions_](slotInUse, 0, 0, 0, 0, 0, 0, 0);
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
    if (index == C_OpenSession_) slotInUse = a; \
    if (meddle(#name, &answer) == answers) return answer; \
    return real[index](a, b, c, d, e, f, g, h); \
  }
CALLS(WRAP)

word C_GetFunctionList(void **result)
{
  word rv = openReal(getenv("FAULTY_MODULE"));
  if (rv != 0) return rv;
#define SET(index, name) list.calls[index] = faulty_##name;
  CALLS(SET)
  *result = &list;
  return 0;
}
