/*
 * The same calls as raw-operations.mjs from C, to see what JavaScript itself costs. Built at run time where there is a
 * compiler; finds the keys that the raw process made on its token by their labels.
 *
 *   limit LIBRARY TOKEN OPERATION THREADS MILLISECONDS < PIN      prints: rate, CPU milliseconds a call
 *
 * Types and numbers: PKCS#11 v2.40 Base, pkcs11t.h.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

typedef unsigned long ulong_t;
typedef struct { ulong_t mechanism; void *parameter; ulong_t length; } mechanism_t;
typedef struct { ulong_t type; void *value; ulong_t length; } attribute_t;
typedef struct { ulong_t hash, mgf, source; void *data; ulong_t length; } oaep_t;
typedef struct { unsigned char *iv; ulong_t iv_length, iv_bits; unsigned char *aad; ulong_t aad_length, tag_bits; } gcm_t;
typedef struct { ulong_t kdf, shared_length; unsigned char *shared; ulong_t public_length; unsigned char *public_data; } ecdh_t;
typedef struct { void *mutexes[4]; ulong_t flags; void *reserved; } initialize_t;

enum { PUBLIC_KEY = 2, PRIVATE_KEY = 3, SECRET_KEY = 4 };
enum { CKA_CLASS = 0, CKA_TOKEN = 1, CKA_LABEL = 3, CKA_VALUE = 0x11, CKA_KEY_TYPE = 0x100, CKA_SENSITIVE = 0x103,
       CKA_VALUE_LEN = 0x161, CKA_EXTRACTABLE = 0x162, CKA_EC_POINT = 0x181 };

#define CALL(name, ...) ((ulong_t (*)())symbol(name))(__VA_ARGS__)
static void *library;
static ulong_t slot, forMs;
static const char *operation;
static volatile int stop;

static void *symbol(const char *name) {
  void *found = dlsym(library, name);
  if (!found) { fprintf(stderr, "limit: %s: missing\n", name); exit(1); }
  return found;
}

static void check(ulong_t code, const char *name) {
  if (code) { fprintf(stderr, "limit: %s: 0x%lx\n", name, code); exit(1); }
}

static ulong_t open_session(void) {
  ulong_t session;
  check(CALL("C_OpenSession", slot, 6UL, NULL, NULL, &session), "C_OpenSession");
  return session;
}

static ulong_t find(ulong_t session, ulong_t class, const char *label) {
  attribute_t template[] = {{CKA_CLASS, &class, sizeof class}, {CKA_LABEL, (void *)label, strlen(label)}};
  ulong_t object = 0, count = 0;
  check(CALL("C_FindObjectsInit", session, template, 2UL), "C_FindObjectsInit");
  check(CALL("C_FindObjects", session, &object, 1UL, &count), "C_FindObjects");
  CALL("C_FindObjectsFinal", session);
  if (count != 1) { fprintf(stderr, "limit: no key %s\n", label); exit(1); }
  return object;
}

typedef ulong_t (*crypt_t)();
typedef struct { ulong_t session, key; mechanism_t mechanism; unsigned char input[600]; ulong_t length; } work_t;

static void crypt(work_t *work, crypt_t init, crypt_t run) {
  unsigned char output[600];
  ulong_t length = sizeof output;
  check(init(work->session, &work->mechanism, work->key), "init");
  check(run(work->session, work->input, work->length, output, &length), "crypt");
  if (length != 32) { fprintf(stderr, "limit: %lu bytes\n", length); exit(1); }
}

static void derive(work_t *work, crypt_t derive_key, crypt_t get, crypt_t destroy) {
  ulong_t class = SECRET_KEY, generic = 0x10, length = 32, object;
  unsigned char yes = 1, no = 0, value[32];
  attribute_t template[] = {{CKA_CLASS, &class, sizeof class}, {CKA_KEY_TYPE, &generic, sizeof generic},
    {CKA_VALUE_LEN, &length, sizeof length}, {CKA_TOKEN, &no, 1}, {CKA_EXTRACTABLE, &yes, 1}, {CKA_SENSITIVE, &no, 1}};
  attribute_t wanted = {CKA_VALUE, value, sizeof value};
  check(derive_key(work->session, &work->mechanism, work->key, template, 6UL, &object), "C_DeriveKey");
  check(get(work->session, object, &wanted, 1UL), "C_GetAttributeValue");
  check(destroy(work->session, object), "C_DestroyObject");
}

static void encrypt(work_t *work, ulong_t key) {
  unsigned char plain[32] = {7};
  work->length = sizeof work->input;
  check(CALL("C_EncryptInit", work->session, &work->mechanism, key), "C_EncryptInit");
  check(CALL("C_Encrypt", work->session, plain, 32UL, work->input, &work->length), "C_Encrypt");
}

static void *loop(void *result) {
  work_t work = {.session = open_session()};
  oaep_t oaep = {0x220, 1, 1, NULL, 0};
  unsigned char iv[12] = {1}, aad[67] = {2}, point[80];
  gcm_t gcm = {iv, 12, 96, aad, 67, 128};
  ecdh_t ecdh = {1, 0, NULL, 65, point + 2};
  int derives = 0;
  if (!strcmp(operation, "rsa-2048 decrypt")) {
    work.mechanism = (mechanism_t){9, &oaep, sizeof oaep};
    work.key = find(work.session, PRIVATE_KEY, "raw-rsa");
    encrypt(&work, find(work.session, PUBLIC_KEY, "raw-rsa"));
  } else if (!strcmp(operation, "aes-256 decrypt")) {
    work.mechanism = (mechanism_t){0x1087, &gcm, sizeof gcm};
    work.key = find(work.session, SECRET_KEY, "raw-aes");
    encrypt(&work, work.key);
  } else {
    attribute_t wanted = {CKA_EC_POINT, point, sizeof point};
    check(CALL("C_GetAttributeValue", work.session, find(work.session, PUBLIC_KEY, "raw-ec"), &wanted, 1UL), "point");
    work.mechanism = (mechanism_t){0x1050, &ecdh, sizeof ecdh};
    work.key = find(work.session, PRIVATE_KEY, "raw-ec");
    derives = 1;
  }
  crypt_t init = symbol("C_DecryptInit"), run = symbol("C_Decrypt");
  crypt_t derive_key = symbol("C_DeriveKey"), get = symbol("C_GetAttributeValue"), destroy = symbol("C_DestroyObject");
  ulong_t done = 0;
  for (; !stop; done += 1) derives ? derive(&work, derive_key, get, destroy) : crypt(&work, init, run);
  *(ulong_t *)result = done;
  return NULL;
}

static double now(clockid_t clock) {
  struct timespec at;
  clock_gettime(clock, &at);
  return at.tv_sec * 1e3 + at.tv_nsec / 1e6;
}

int main(int count, char **arguments) {
  char pin[64] = "", label[32];
  ulong_t slots[64], found = 64, done[2] = {0};
  if (count != 6 || !fgets(pin, sizeof pin, stdin)) return 2;
  pin[strcspn(pin, "\n")] = 0;
  operation = arguments[3];
  int threads = atoi(arguments[4]) == 2 ? 2 : 1;
  forMs = strtoul(arguments[5], NULL, 10);
  library = dlopen(arguments[1], RTLD_NOW);
  if (!library) { fprintf(stderr, "limit: %s\n", dlerror()); return 1; }
  initialize_t initialize = {.flags = 2};
  check(CALL("C_Initialize", &initialize), "C_Initialize");
  check(CALL("C_GetSlotList", 1UL, slots, &found), "C_GetSlotList");
  memset(label, ' ', sizeof label);
  memcpy(label, arguments[2], strlen(arguments[2]));
  for (ulong_t index = 0; index < found; index += 1) {
    unsigned char information[512];
    if (CALL("C_GetTokenInfo", slots[index], information) == 0 && !memcmp(information, label, 32)) slot = slots[index];
  }
  check(CALL("C_Login", open_session(), 1UL, pin, strlen(pin)), "C_Login");
  pthread_t thread[2];
  double began = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
  for (int index = 0; index < threads; index += 1) pthread_create(&thread[index], NULL, loop, &done[index]);
  struct timespec pause = {forMs / 1000, forMs % 1000 * 1000000};
  nanosleep(&pause, NULL);
  stop = 1;
  for (int index = 0; index < threads; index += 1) pthread_join(thread[index], NULL);
  double total = done[0] + done[1];
  printf("%.1f %.5f\n", total / (now(CLOCK_MONOTONIC) - began) * 1e3, (now(CLOCK_PROCESS_CPUTIME_ID) - cpu) / total);
  return 0;
}
