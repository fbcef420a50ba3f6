/*
 * A PKCS#11 module that behaves as a vendor's does where vendors differ, and is SoftHSM otherwise. For tests.
 *
 * VENDOR_MODULE  path of the real module
 * VENDOR_TABLE   file with the behaviours, one a line; it is read again when it changes:
 *   return CALL CODE [first N | from N | sticky]  CALL (or *) answers CODE: always, the first N times, from the N-th time
 *                                                 on, or for the rest of this process's life, whatever the table says then
 *   translate CALL CODE OTHER           CALL answers OTHER where the real module answers CODE
 *   memory TOTAL FREE                   what C_GetTokenInfo says of the room for objects
 *   need-rw CODE                        C_OpenSession without CKF_RW_SESSION
 *   unique-id CODE                      making a key whose CKA_ID one of its class has
 *   refuse-attribute HALF TYPE CODE     making a key whose template has that attribute; HALF: public, private, secret, any
 *   need-attribute HALF TYPE CODE       making a key whose template lacks it
 *   refuse-both HALF TYPE TYPE CODE     making a key whose template sets both
 *   mechanism NUMBER REAL               one more mechanism, done by the real one
 *   hide NUMBER                         a mechanism that is not listed and refused
 *   gcm NUMBER prepended                the module makes the IV and puts it first; one of the caller's is refused
 *   gcm NUMBER written                  the module makes the IV and writes it over the caller's, which must be zero
 *   gcm NUMBER appended                 the module makes an IV of 16 bytes and puts it last
 *   kwp NUMBER                          RFC 5649 through C_Encrypt and C_Decrypt
 *
 * A session is used by one thread only, so what an operation has begun is kept by thread.
 */
#include <pthread.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "../../packages/hsm-pkcs11/test/support/module-front.h"

typedef unsigned char byte;
struct attribute { word type; byte *value; word length; };
struct mechanism { word number; void *parameter; word length; };
struct gcm { byte *iv; word ivBytes; word ivBits; byte *aad; word aadBytes; word tagBits; };

enum { ok = 0, mechanismInvalid = 0x70, parameterInvalid = 0x71, rwSession = 2 };
enum { maxRules = 64, maxMechanisms = 256, maxTemplate = 32, maxAad = 8192, shortIv = 12, longIv = 16 };
enum { classAttribute = 0, tokenAttribute = 1, valueAttribute = 0x11, keyTypeAttribute = 0x100, idAttribute = 0x102 };
enum { sensitive = 0x103, encrypts = 0x104, wraps = 0x106, unwraps = 0x107, extractable = 0x162 };
enum { publicKey = 2, privateKey = 3, secretKey = 4, genericSecret = 0x10, realGcm = 0x1087, realKwp = 0x210a };

struct rule { char words[6][24]; word seen; };
static struct rule rules[maxRules];
static int countOfRules;
static struct timespec readAt;
static word dead;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static _Thread_local struct {
  const char *form;
  byte iv[longIv];
  byte *writeTo;
  byte aad[maxAad];
  struct gcm gcm;
  word key;
} doing;

#define REAL(index, ...) real[index](PAD(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0))
#define PAD(a, b, c, d, e, f, g, h, ...) (word)(a), (word)(b), (word)(c), (word)(d), (word)(e), (word)(f), (word)(g), (word)(h)

static word number(const char *text) { return strtoul(text, NULL, 0); }
static int is(const char *one, const char *other) { return strcmp(one, other) == 0; }

static void readTable(void)
{
  const char *path = getenv("VENDOR_TABLE");
  struct stat found;
  if (!path || stat(path, &found) != 0) { countOfRules = 0; return; }
  if (memcmp(&found.st_mtim, &readAt, sizeof readAt) == 0) return;
  FILE *table = fopen(path, "r");
  if (!table) return;
  readAt = found.st_mtim;
  countOfRules = 0;
  char line[200];
  while (fgets(line, sizeof line, table) && countOfRules < maxRules) {
    struct rule rule = {0};
    char (*w)[24] = rule.words;
    int words = sscanf(line, "%23s %23s %23s %23s %23s %23s", w[0], w[1], w[2], w[3], w[4], w[5]);
    if (words > 1 && w[0][0] != '#') rules[countOfRules++] = rule;
  }
  fclose(table);
}

static struct rule *next(struct rule *after, const char *kind)
{
  for (struct rule *rule = after ? after + 1 : rules; rule < rules + countOfRules; rule++)
    if (is(rule->words[0], kind)) return rule;
  return NULL;
}

/* What a "return" rule answers instead of the call; ok passes it on. */
static word answer(const char *name)
{
  word code = ok;
  pthread_mutex_lock(&lock);
  readTable();
  for (struct rule *rule = NULL; code == ok && (rule = next(rule, "return"));) {
    if (!is(rule->words[1], "*") && !is(rule->words[1], name)) continue;
    word seen = ++rule->seen;
    if (is(rule->words[3], "first") && seen > number(rule->words[4])) continue;
    if (is(rule->words[3], "from") && seen < number(rule->words[4])) continue;
    code = number(rule->words[2]);
    if (is(rule->words[3], "sticky")) dead = code;
  }
  if (dead != ok) code = dead;
  pthread_mutex_unlock(&lock);
  return code;
}

static word translated(const char *name, word code)
{
  for (struct rule *rule = NULL; code != ok && (rule = next(rule, "translate"));)
    if (is(rule->words[1], name) && number(rule->words[2]) == code) return number(rule->words[3]);
  return code;
}

static struct rule *ruleFor(const char *kind, word mechanism)
{
  struct rule *rule = NULL;
  while ((rule = next(rule, kind))) if (number(rule->words[1]) == mechanism) return rule;
  return NULL;
}

static struct attribute *find(struct attribute *template, word count, word type)
{
  for (word at = 0; at < count; at++) if (template[at].type == type) return &template[at];
  return NULL;
}

static int isSet(struct attribute *template, word count, word type)
{
  struct attribute *found = find(template, count, type);
  return found && found->length == 1 && found->value[0] != 0;
}

static word checkTemplate(const char *half, struct attribute *template, word count)
{
  static const char *kinds[] = {"refuse-attribute", "need-attribute", "refuse-both"};
  for (int kind = 0; kind < 3; kind++)
    for (struct rule *rule = NULL; (rule = next(rule, kinds[kind]));) {
      if (!is(rule->words[1], half) && !is(rule->words[1], "any")) continue;
      word type = number(rule->words[2]), last = number(rule->words[3]);
      if (kind == 0 && find(template, count, type)) return last;
      if (kind == 1 && !find(template, count, type)) return last;
      if (kind == 2 && isSet(template, count, type) && isSet(template, count, last)) return number(rule->words[4]);
    }
  return ok;
}

static word checkUnique(word session, word class, struct attribute *template, word count)
{
  struct rule *rule = next(NULL, "unique-id");
  struct attribute *id = find(template, count, idAttribute);
  if (!rule || !id) return ok;
  byte yes = 1;
  struct attribute search[] = {{tokenAttribute, &yes, 1}, {classAttribute, (byte *)&class, sizeof class}, *id};
  word object = 0, found = 0;
  if (REAL(C_FindObjectsInit_, session, search, 3) != ok) return ok;
  REAL(C_FindObjects_, session, &object, 1, &found);
  REAL(C_FindObjectsFinal_, session);
  return found > 0 ? number(rule->words[1]) : ok;
}

static word listMechanisms(word slot, word *list, word *count)
{
  word all[maxMechanisms], size = maxMechanisms, kept = 0;
  word rv = REAL(C_GetMechanismList_, slot, all, &size);
  if (rv != ok) return rv;
  for (word at = 0; at < size; at++) if (!ruleFor("hide", all[at])) all[kept++] = all[at];
  static const char *kinds[] = {"mechanism", "gcm", "kwp"};
  for (int kind = 0; kind < 3; kind++)
    for (struct rule *rule = NULL; kept < maxMechanisms && (rule = next(rule, kinds[kind]));)
      if (number(rule->words[1]) != realGcm) all[kept++] = number(rule->words[1]);
  if (list && *count < kept) return 0x150;
  if (list) memcpy(list, all, kept * sizeof *all);
  *count = kept;
  return ok;
}

static word tokenInfo(word slot, byte *info)
{
  enum { totalPublic = 152, fields = 4 };
  word rv = REAL(C_GetTokenInfo_, slot, info);
  struct rule *rule = next(NULL, "memory");
  for (int at = 0; rv == ok && rule && at < fields; at++) {
    word bytes = number(rule->words[1 + at % 2]);
    memcpy(info + totalPublic + at * sizeof bytes, &bytes, sizeof bytes);
  }
  return rv;
}

static word openSession(word slot, word flags, word a, word b, word session)
{
  struct rule *rule = next(NULL, "need-rw");
  if (rule && !(flags & rwSession)) return number(rule->words[1]);
  return REAL(C_OpenSession_, slot, flags, a, b, session);
}

static word realMechanism(struct mechanism *mechanism)
{
  struct rule *rule = ruleFor("mechanism", mechanism->number);
  return rule ? number(rule->words[2]) : mechanism->number;
}

static word generateKey(word session, struct mechanism *mechanism, struct attribute *template, word count, word *key)
{
  word rv = checkTemplate("secret", template, count);
  if (rv == ok) rv = checkUnique(session, secretKey, template, count);
  if (rv != ok) return rv;
  /* KWP through C_Encrypt is done by C_WrapKey, which wants the permission. */
  struct attribute changed[maxTemplate];
  byte yes = 1;
  int widened = next(NULL, "kwp") && isSet(template, count, encrypts) && count < maxTemplate;
  memcpy(changed, template, (widened ? count : 0) * sizeof *template);
  for (word at = 0; widened && at < count; at++)
    if (changed[at].type == wraps || changed[at].type == unwraps) changed[at].value = &yes;
  struct mechanism inner = *mechanism;
  inner.number = realMechanism(mechanism);
  return REAL(C_GenerateKey_, session, &inner, widened ? changed : template, count, key);
}

static word generatePair(word session, struct mechanism *mechanism, struct attribute *public, word countOfPublic,
  struct attribute *private, word countOfPrivate, word publicHandle, word privateHandle)
{
  word rv = checkTemplate("public", public, countOfPublic);
  if (rv == ok) rv = checkTemplate("private", private, countOfPrivate);
  if (rv == ok) rv = checkUnique(session, publicKey, public, countOfPublic);
  if (rv == ok) rv = checkUnique(session, privateKey, private, countOfPrivate);
  if (rv != ok) return rv;
  struct mechanism inner = *mechanism;
  inner.number = realMechanism(mechanism);
  return REAL(C_GenerateKeyPair_, session, &inner, public, countOfPublic, private, countOfPrivate, publicHandle, privateHandle);
}

static word wrapKey(word session, struct mechanism *mechanism, word key, word object, word output, word room)
{
  struct mechanism inner = *mechanism;
  inner.number = realMechanism(mechanism);
  return REAL(C_WrapKey_, session, &inner, key, object, output, room);
}

static word unwrapKey(word session, struct mechanism *mechanism, word key, word input, word length, word template, word count, word object)
{
  struct mechanism inner = *mechanism;
  inner.number = realMechanism(mechanism);
  return REAL(C_UnwrapKey_, session, &inner, key, input, length, template, count, object);
}

static word begin(struct mechanism *mechanism, word key)
{
  memset(&doing, 0, sizeof doing);
  doing.key = key;
  if (ruleFor("kwp", mechanism->number)) { doing.form = "kwp"; return ok; }
  struct rule *rule = ruleFor("gcm", mechanism->number);
  if (!rule) return ruleFor("hide", mechanism->number) ? mechanismInvalid : ok;
  if (mechanism->length != sizeof doing.gcm) return parameterInvalid;
  doing.gcm = *(struct gcm *)mechanism->parameter;
  if (doing.gcm.aadBytes > maxAad) return parameterInvalid;
  memcpy(doing.aad, doing.gcm.aad, doing.gcm.aadBytes);
  doing.gcm.aad = doing.aad;
  doing.form = rule->words[2];
  return ok;
}

static word initGcm(int index, word session, byte *iv, word bytes)
{
  doing.gcm.iv = iv;
  doing.gcm.ivBytes = bytes;
  doing.gcm.ivBits = bytes * 8;
  struct mechanism inner = {realGcm, &doing.gcm, sizeof doing.gcm};
  return REAL(index, session, &inner, doing.key);
}

static word encryptInit(word session, struct mechanism *mechanism, word key)
{
  static const byte zero[shortIv];
  word rv = begin(mechanism, key);
  if (rv != ok || !doing.form) return rv != ok ? rv : REAL(C_EncryptInit_, session, mechanism, key);
  if (is(doing.form, "kwp")) return ok;
  if (is(doing.form, "prepended") && doing.gcm.ivBytes != 0) return parameterInvalid;
  if (is(doing.form, "written")) {
    if (doing.gcm.ivBytes != shortIv || memcmp(doing.gcm.iv, zero, shortIv) != 0) return parameterInvalid;
    doing.writeTo = doing.gcm.iv;
  }
  word bytes = is(doing.form, "appended") ? longIv : shortIv;
  if (getrandom(doing.iv, bytes, 0) != (ssize_t)bytes) return 5;
  return initGcm(C_EncryptInit_, session, doing.iv, bytes);
}

static word wrapByKwp(word session, byte *input, word length, byte *output, word *room)
{
  word class = secretKey, type = genericSecret, object = 0;
  byte yes = 1, no = 0;
  struct attribute template[] = {{classAttribute, (byte *)&class, sizeof class}, {keyTypeAttribute, (byte *)&type, sizeof type},
    {tokenAttribute, &no, 1}, {extractable, &yes, 1}, {sensitive, &no, 1}, {valueAttribute, input, length}};
  struct mechanism kwp = {realKwp, NULL, 0};
  word rv = REAL(C_CreateObject_, session, template, 6, &object);
  if (rv != ok) return rv;
  rv = REAL(C_WrapKey_, session, &kwp, doing.key, object, output, room);
  REAL(C_DestroyObject_, session, object);
  return rv;
}

static word encrypt(word session, byte *input, word length, byte *output, word *room)
{
  if (!doing.form) return REAL(C_Encrypt_, session, input, length, output, room);
  if (is(doing.form, "kwp")) return wrapByKwp(session, input, length, output, room);
  word before = is(doing.form, "prepended") ? shortIv : 0, after = is(doing.form, "appended") ? longIv : 0;
  *room -= before + after;
  word rv = REAL(C_Encrypt_, session, input, length, output + before, room);
  if (rv != ok) return rv;
  if (before) memcpy(output, doing.iv, before);
  if (after) memcpy(output + *room, doing.iv, after);
  if (doing.writeTo) memcpy(doing.writeTo, doing.iv, shortIv);
  *room += before + after;
  return ok;
}

static word decryptInit(word session, struct mechanism *mechanism, word key)
{
  word rv = begin(mechanism, key);
  if (rv != ok) return rv;
  if (doing.form && (is(doing.form, "kwp") || is(doing.form, "prepended"))) return ok;
  if (!doing.form) return REAL(C_DecryptInit_, session, mechanism, key);
  return initGcm(C_DecryptInit_, session, doing.gcm.iv, doing.gcm.ivBytes);
}

static word unwrapByKwp(word session, byte *input, word length, byte *output, word *room)
{
  word class = secretKey, type = genericSecret, object = 0;
  byte yes = 1, no = 0;
  struct attribute template[] = {{classAttribute, (byte *)&class, sizeof class}, {keyTypeAttribute, (byte *)&type, sizeof type},
    {tokenAttribute, &no, 1}, {extractable, &yes, 1}, {sensitive, &no, 1}};
  struct mechanism kwp = {realKwp, NULL, 0};
  word rv = REAL(C_UnwrapKey_, session, &kwp, doing.key, input, length, template, 5, &object);
  if (rv != ok) return rv;
  struct attribute value = {valueAttribute, output, *room};
  rv = REAL(C_GetAttributeValue_, session, object, &value, 1);
  *room = value.length;
  REAL(C_DestroyObject_, session, object);
  return rv;
}

static word decrypt(word session, byte *input, word length, byte *output, word *room)
{
  if (doing.form && is(doing.form, "kwp")) return unwrapByKwp(session, input, length, output, room);
  word before = doing.form && is(doing.form, "prepended") ? shortIv : 0;
  if (length < before) return 0x41;
  if (before) {
    word rv = initGcm(C_DecryptInit_, session, input, before);
    if (rv != ok) return rv;
  }
  return REAL(C_Decrypt_, session, input + before, length - before, output, room);
}

#define WRAP(index, name) \
  static word vendor_##name(word a, word b, word c, word d, word e, word f, word g, word h) \
  { \
    word code = answer(#name); \
    if (code != ok) return code; \
    call done = own[index] ? own[index] : real[index]; \
    return translated(#name, done(a, b, c, d, e, f, g, h)); \
  }
static call own[countOfCalls] = {
  [C_GetTokenInfo_] = (call)tokenInfo, [C_GetMechanismList_] = (call)listMechanisms, [C_OpenSession_] = (call)openSession,
  [C_GenerateKey_] = (call)generateKey, [C_GenerateKeyPair_] = (call)generatePair,
  [C_EncryptInit_] = (call)encryptInit, [C_Encrypt_] = (call)encrypt,
  [C_DecryptInit_] = (call)decryptInit, [C_Decrypt_] = (call)decrypt,
  [C_WrapKey_] = (call)wrapKey, [C_UnwrapKey_] = (call)unwrapKey,
};
CALLS(WRAP)

word C_GetFunctionList(void **result)
{
  word rv = openReal(getenv("VENDOR_MODULE"));
  if (rv != ok) return rv;
#define SET(index, name) list.calls[index] = vendor_##name;
  CALLS(SET)
  *result = &list;
  return ok;
}
