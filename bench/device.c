/*
 * A device that computes by itself: SoftHSM behind one engine that does one call after the other and takes CALL_US microseconds for
 * each, however many wait. What SoftHSM itself computes lies within that time; for AES it is next to nothing, so the processors
 * of the machine are the product's, as beside a real HSM.
 *
 *   cc -shared -fPIC -DREAL='"/path/of/libsofthsm2.so"' -DCALL_US=1000 device.c -ldl -lpthread
 */
#include <pthread.h>
#include <sys/prctl.h>
#include <time.h>

#include "../packages/hsm-pkcs11/test/support/module-front.h"

typedef long long nanoseconds;

static pthread_mutex_t engine = PTHREAD_MUTEX_INITIALIZER;
static nanoseconds freeAt;

static nanoseconds now(void)
{
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec * 1000000000LL + at.tv_nsec;
}

/* Takes the engine for one call that came at `came`, and waits until it is done. */
static void occupy(nanoseconds came)
{
  static __thread int exact;
  if (!exact) exact = prctl(PR_SET_TIMERSLACK, 1UL) == 0;
  pthread_mutex_lock(&engine);
  nanoseconds done = (came > freeAt ? came : freeAt) + CALL_US * 1000LL;
  freeAt = done;
  pthread_mutex_unlock(&engine);
  struct timespec until = {done / 1000000000LL, done % 1000000000LL};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL)) continue;
}

/* `out` is the argument without which a call only asks how long the answer is: the device has nothing to do then. */
#define PACED(name, out) \
  static word paced_##name(word a, word b, word c, word d, word e, word f, word g, word h) \
  { \
    nanoseconds came = now(); \
    word rv = real[name##_](a, b, c, d, e, f, g, h); \
    if (out) occupy(came); \
    return rv; \
  }

PACED(C_Encrypt, d)
PACED(C_Decrypt, d)
PACED(C_Sign, d)
PACED(C_WrapKey, e)
PACED(C_UnwrapKey, h)
PACED(C_DeriveKey, e)
PACED(C_GenerateKey, e)
PACED(C_GenerateKeyPair, h)

word C_GetFunctionList(void **shown)
{
  word rv = openReal(REAL);
  if (rv != 0) return rv;
  memcpy(list.calls, real, sizeof list.calls);
  list.calls[C_GetFunctionList_] = (call)C_GetFunctionList;
#define PLACE(name) list.calls[name##_] = paced_##name;
  PLACE(C_Encrypt) PLACE(C_Decrypt) PLACE(C_Sign) PLACE(C_WrapKey) PLACE(C_UnwrapKey)
  PLACE(C_DeriveKey) PLACE(C_GenerateKey) PLACE(C_GenerateKeyPair)
  *shown = &list;
  return 0;
}
