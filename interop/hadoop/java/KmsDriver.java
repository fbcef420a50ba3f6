import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.URI;
import java.security.PrivilegedExceptionAction;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.crypto.key.KeyProvider;
import org.apache.hadoop.crypto.key.KeyProvider.KeyVersion;
import org.apache.hadoop.crypto.key.KeyProvider.Metadata;
import org.apache.hadoop.crypto.key.KeyProvider.Options;
import org.apache.hadoop.crypto.key.KeyProviderCryptoExtension;
import org.apache.hadoop.crypto.key.KeyProviderCryptoExtension.EncryptedKeyVersion;
import org.apache.hadoop.crypto.key.KeyProviderDelegationTokenExtension;
import org.apache.hadoop.crypto.key.KeyProviderFactory;
import org.apache.hadoop.security.Credentials;
import org.apache.hadoop.security.UserGroupInformation;
import org.apache.hadoop.crypto.key.KeyShell;
import org.apache.hadoop.security.token.Token;
import org.apache.hadoop.util.ToolRunner;

/**
 * Drives Hadoop's own KMS client through every operation and prints one line each: what came back, with everything random left out, so
 * that two servers can be compared line by line. Argument: provider URI. The server must let hdfs act for others, refuse bob everything
 * but reading, and not let hdfs decrypt.
 */
public class KmsDriver {
  private static int count = 0;
  private static URI uri;
  private static Configuration conf;

  interface Action {
    Object run() throws Exception;
  }

  public static void main(String[] args) throws Exception {
    uri = new URI(args[0]);
    conf = new Configuration();
    conf.set("hadoop.security.kms.client.encrypted.key.cache.size", "10");
    conf.set("hadoop.security.kms.client.failover.max.retries", "0");
    as("alice", () -> lifeCycle());
    as("alice", () -> encryptedKeys());
    as("bob", () -> refusals());
    proxies();
    tokens();
    as("alice", () -> shell());
    as("alice", () -> names());
    System.exit(0);
  }

  private static Object lifeCycle() throws Exception {
    KeyProvider kp = provider();
    say("names when empty", () -> kp.getKeys());
    Options options = new Options(conf).setCipher("AES/CTR/NoPadding").setBitLength(128);
    options.setDescription("l1");
    Map<String, String> attributes = new HashMap<>();
    attributes.put("a", "b");
    options.setAttributes(attributes);
    say("create", () -> version(kp.createKey("k1", options)));
    say("create again", () -> version(kp.createKey("k1", options)));
    say("create with material", () -> version(kp.createKey("k2", new byte[16], new Options(conf).setBitLength(128))));
    say("create with short material", () -> version(kp.createKey("k3", new byte[8], new Options(conf).setBitLength(128))));
    say("create with 100 bits", () -> version(kp.createKey("k3", new Options(conf).setBitLength(100))));
    say("create with 256 bits", () -> version(kp.createKey("k256", new Options(conf).setBitLength(256))));
    say("metadata", () -> metadata(kp.getMetadata("k1")));
    say("metadata without description", () -> metadata(kp.getMetadata("k2")));
    say("metadata of a missing key", () -> kp.getMetadata("none"));
    say("current key", () -> version(kp.getCurrentKey("k1")));
    say("current key of a missing key", () -> kp.getCurrentKey("none"));
    say("key version", () -> version(kp.getKeyVersion("k1@0")));
    say("missing key version", () -> kp.getKeyVersion("k1@5"));
    say("key version of a missing key", () -> kp.getKeyVersion("none@0"));
    say("material is the same everywhere", () -> Arrays.equals(
        kp.getKeyVersion("k2@0").getMaterial(), new byte[16]));
    say("roll", () -> version(kp.rollNewVersion("k1")));
    say("roll with material", () -> version(kp.rollNewVersion("k1", new byte[16])));
    say("roll with short material", () -> version(kp.rollNewVersion("k1", new byte[8])));
    say("roll a missing key", () -> version(kp.rollNewVersion("none")));
    say("roll a missing key with material", () -> version(kp.rollNewVersion("none", new byte[16])));
    say("versions", () -> versions(kp.getKeyVersions("k1")));
    say("versions of a missing key", () -> versions(kp.getKeyVersions("none")));
    say("metadata after roll", () -> metadata(kp.getMetadata("k1")));
    say("names", () -> sorted(kp.getKeys()));
    say("keys metadata", () -> {
      StringBuilder text = new StringBuilder();
      for (Metadata one : kp.getKeysMetadata("k1", "none", "k256")) text.append(metadata(one)).append("; ");
      return text;
    });
    say("invalidate cache", () -> { kp.invalidateCache("k1"); return "done"; });
    say("invalidate the cache of a missing key", () -> { kp.invalidateCache("none"); return "done"; });
    say("flush", () -> { kp.flush(); return "done"; });
    say("delete", () -> { kp.deleteKey("k2"); return "done"; });
    say("delete again", () -> { kp.deleteKey("k2"); return "done"; });
    say("metadata after delete", () -> kp.getMetadata("k2"));
    say("current after delete", () -> kp.getCurrentKey("k2"));
    say("versions after delete", () -> versions(kp.getKeyVersions("k2")));
    say("version after delete", () -> kp.getKeyVersion("k2@0"));
    return null;
  }

  private static Object encryptedKeys() throws Exception {
    KeyProvider kp = provider();
    KeyProviderCryptoExtension ext = KeyProviderCryptoExtension.createKeyProviderCryptoExtension(kp);
    ext.createKey("e1", new Options(conf).setBitLength(128));
    List<EncryptedKeyVersion> made = new ArrayList<>();
    say("generate", () -> { made.add(ext.generateEncryptedKey("e1")); return eek(made.get(0)); });
    say("generate again is another key", () -> {
      made.add(ext.generateEncryptedKey("e1"));
      return !Arrays.equals(ext.decryptEncryptedKey(made.get(0)).getMaterial(), ext.decryptEncryptedKey(made.get(1)).getMaterial());
    });
    say("decrypt", () -> version(ext.decryptEncryptedKey(made.get(0))));
    say("decrypt twice is the same", () -> Arrays.equals(
        ext.decryptEncryptedKey(made.get(0)).getMaterial(), ext.decryptEncryptedKey(made.get(0)).getMaterial()));
    say("reencrypt under the newest is the same", () -> Arrays.equals(
        ext.reencryptEncryptedKey(made.get(0)).getEncryptedKeyVersion().getMaterial(), made.get(0).getEncryptedKeyVersion().getMaterial()));
    say("roll", () -> version(ext.rollNewVersion("e1")));
    say("generate after roll", () -> eek(ext.generateEncryptedKey("e1")));
    say("decrypt the old one after roll", () -> version(ext.decryptEncryptedKey(made.get(0))));
    say("reencrypt", () -> { made.add(ext.reencryptEncryptedKey(made.get(0))); return eek(made.get(2)); });
    say("reencrypted keeps its IV", () -> Arrays.equals(made.get(0).getEncryptedKeyIv(), made.get(2).getEncryptedKeyIv()));
    say("reencrypted has other bytes", () -> !Arrays.equals(
        made.get(0).getEncryptedKeyVersion().getMaterial(), made.get(2).getEncryptedKeyVersion().getMaterial()));
    say("reencrypted opens to the same", () -> Arrays.equals(
        ext.decryptEncryptedKey(made.get(0)).getMaterial(), ext.decryptEncryptedKey(made.get(2)).getMaterial()));
    say("reencrypt a batch", () -> {
      List<EncryptedKeyVersion> batch = new ArrayList<>(Arrays.asList(made.get(0), made.get(1), made.get(2), ext.generateEncryptedKey("e1")));
      ext.reencryptEncryptedKeys(batch);
      StringBuilder text = new StringBuilder();
      for (EncryptedKeyVersion one : batch) text.append(one.getEncryptionKeyVersionName()).append(' ');
      return text.append(Arrays.equals(
          ext.decryptEncryptedKey(batch.get(1)).getMaterial(), ext.decryptEncryptedKey(made.get(1)).getMaterial()));
    });
    say("generate for a missing key", () -> eek(ext.generateEncryptedKey("none")));
    say("decrypt under a missing version", () -> ext.decryptEncryptedKey(EncryptedKeyVersion.createForDecryption(
        "e1", "e1@9", made.get(0).getEncryptedKeyIv(), made.get(0).getEncryptedKeyVersion().getMaterial())));
    say("decrypt under another key's version", () -> ext.decryptEncryptedKey(EncryptedKeyVersion.createForDecryption(
        "k1", "e1@0", made.get(0).getEncryptedKeyIv(), made.get(0).getEncryptedKeyVersion().getMaterial())));
    say("decrypt with a short IV", () -> ext.decryptEncryptedKey(EncryptedKeyVersion.createForDecryption(
        "e1", "e1@0", new byte[3], made.get(0).getEncryptedKeyVersion().getMaterial())));
    ext.createKey("e256", new Options(conf).setBitLength(256));
    say("generate with 256 bits", () -> {
      EncryptedKeyVersion one = ext.generateEncryptedKey("e256");
      return eek(one) + " " + ext.decryptEncryptedKey(one).getMaterial().length;
    });
    say("warm up", () -> { ext.warmUpEncryptedKeys("e1", "e256"); return "done"; });
    say("drain", () -> { ext.drain("e1"); return "done"; });
    say("decrypt after delete", () -> {
      ext.deleteKey("e256");
      return ext.decryptEncryptedKey(EncryptedKeyVersion.createForDecryption("e256", "e256@0", new byte[16], new byte[32]));
    });
    return null;
  }

  private static Object names() throws Exception {
    KeyProvider kp = provider();
    for (String name : new String[] {"key %^[\n{]}|\"<>\\", "a/b", "a%2fb", "ключ-鍵", "a@b", "a+b", "a&b=c?d#e"}) {
      String shown = name.replace("\n", "\\n");
      say("create " + shown, () -> version(kp.createKey(name, new Options(conf).setBitLength(128))));
      say("metadata of " + shown, () -> metadata(kp.getMetadata(name)));
      say("roll " + shown, () -> version(kp.rollNewVersion(name)));
      say("versions of " + shown, () -> versions(kp.getKeyVersions(name)));
      say("delete " + shown, () -> { kp.deleteKey(name); return "done"; });
    }
    return null;
  }

  private static Object shell() throws Exception {
    String provider = uri.toString();
    say("hadoop key create", () -> key("create", "s1", "-size", "256", "-description", "d", "-attr", "x=y", "-provider", provider));
    say("hadoop key create again", () -> key("create", "s1", "-provider", provider));
    say("hadoop key list", () -> key("list", "-provider", provider));
    say("hadoop key list -metadata", () -> key("list", "-metadata", "-provider", provider)
        .replaceAll("created: [^|]*?, version", "created: DATE, version"));
    say("hadoop key roll", () -> key("roll", "s1", "-provider", provider));
    say("hadoop key invalidateCache", () -> key("invalidateCache", "s1", "-provider", provider));
    say("hadoop key delete", () -> key("delete", "s1", "-f", "-provider", provider));
    say("hadoop key roll a missing key", () -> key("roll", "s1", "-provider", provider));
    return null;
  }

  /** Exit status and what the command printed. */
  private static String key(String... args) throws Exception {
    PrintStream out = System.out;
    PrintStream err = System.err;
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    PrintStream both = new PrintStream(printed, true, "UTF-8");
    System.setOut(both);
    System.setErr(both);
    try {
      int exit = ToolRunner.run(new Configuration(conf), new KeyShell(), args);
      return exit + " " + printed.toString("UTF-8").trim().replace("\n", " | ").replaceAll("\\s\\|\\s+at .*", "");
    } finally {
      System.setOut(out);
      System.setErr(err);
    }
  }

  private static Object refusals() throws Exception {
    KeyProvider kp = provider();
    KeyProviderCryptoExtension ext = KeyProviderCryptoExtension.createKeyProviderCryptoExtension(kp);
    say("bob creates", () -> version(kp.createKey("b1", new Options(conf).setBitLength(128))));
    say("bob rolls", () -> version(kp.rollNewVersion("k1")));
    say("bob deletes", () -> { kp.deleteKey("k1"); return "done"; });
    say("bob lists", () -> sorted(kp.getKeys()));
    say("bob describes", () -> metadata(kp.getMetadata("k1")));
    say("bob gets material", () -> version(kp.getCurrentKey("k1")));
    say("bob gets a version", () -> version(kp.getKeyVersion("k1@0")));
    say("bob gets versions", () -> versions(kp.getKeyVersions("k1")));
    say("bob decrypts", () -> ext.decryptEncryptedKey(
        EncryptedKeyVersion.createForDecryption("k1", "k1@0", new byte[16], new byte[16])));
    say("bob invalidates", () -> { kp.invalidateCache("k1"); return "done"; });
    return null;
  }

  private static void proxies() throws Exception {
    UserGroupInformation hdfs = UserGroupInformation.createRemoteUser("hdfs");
    hdfs.doAs((PrivilegedExceptionAction<Object>) () -> {
      KeyProviderCryptoExtension ext = KeyProviderCryptoExtension.createKeyProviderCryptoExtension(provider());
      say("hdfs generates", () -> eek(ext.generateEncryptedKey("k1")));
      say("hdfs decrypts", () -> ext.decryptEncryptedKey(
          EncryptedKeyVersion.createForDecryption("k1", "k1@0", new byte[16], new byte[16])));
      return null;
    });
    for (String user : new String[] {"alice", "bob", "mallory"}) {
      UserGroupInformation.createProxyUser(user, hdfs).doAs((PrivilegedExceptionAction<Object>) () -> {
        KeyProvider kp = provider();
        say("hdfs as " + user + " lists", () -> sorted(kp.getKeys()));
        say("hdfs as " + user + " rolls", () -> version(kp.rollNewVersion("k1")));
        return null;
      });
    }
    UserGroupInformation alice = UserGroupInformation.createRemoteUser("alice");
    UserGroupInformation.createProxyUser("bob", alice).doAs((PrivilegedExceptionAction<Object>) () -> {
      KeyProvider kp = provider();
      say("alice as bob lists", () -> sorted(kp.getKeys()));
      return null;
    });
  }

  private static void tokens() throws Exception {
    UserGroupInformation yarn = UserGroupInformation.createRemoteUser("yarn");
    List<Token<?>> held = new ArrayList<>();
    as("alice", () -> {
      KeyProviderDelegationTokenExtension ext = KeyProviderDelegationTokenExtension.createKeyProviderDelegationTokenExtension(provider());
      say("get a token", () -> {
        Credentials credentials = new Credentials();
        Token<?>[] tokens = ext.addDelegationTokens("yarn", credentials);
        Collections.addAll(held, tokens);
        return tokens.length + " " + tokens[0].getKind() + " " + owner(tokens[0]);
      });
      return null;
    });
    UserGroupInformation bearer = UserGroupInformation.createRemoteUser("nobody");
    bearer.addToken(held.get(0));
    bearer.doAs((PrivilegedExceptionAction<Object>) () -> {
      KeyProvider kp = provider();
      say("use a token", () -> version(kp.rollNewVersion("k1")));
      return null;
    });
    as("mallory", () -> { say("renew as another", () -> held.get(0).renew(conf) > 0); return null; });
    yarn.doAs((PrivilegedExceptionAction<Object>) () -> {
      say("renew", () -> held.get(0).renew(conf) > System.currentTimeMillis());
      say("renew again is later", () -> {
        long first = held.get(0).renew(conf);
        Thread.sleep(5);
        return held.get(0).renew(conf) > first;
      });
      return null;
    });
    as("alice", () -> {
      say("cancel", () -> { held.get(0).cancel(conf); return "done"; });
      say("cancel again", () -> { held.get(0).cancel(conf); return "done"; });
      return null;
    });
    yarn.doAs((PrivilegedExceptionAction<Object>) () -> {
      say("renew after cancel", () -> held.get(0).renew(conf) > 0);
      return null;
    });
    UserGroupInformation.createProxyUser("alice", UserGroupInformation.createRemoteUser("hdfs")).doAs((PrivilegedExceptionAction<Object>) () -> {
      KeyProviderDelegationTokenExtension ext = KeyProviderDelegationTokenExtension.createKeyProviderDelegationTokenExtension(provider());
      say("get a token as a proxy", () -> owner(ext.addDelegationTokens("yarn", new Credentials())[0]));
      return null;
    });
  }

  private static String owner(Token<?> token) throws IOException {
    return String.valueOf(token.decodeIdentifier().getUser());
  }

  private static KeyProvider provider() throws Exception {
    return KeyProviderFactory.get(uri, conf);
  }

  private static void as(String user, Action action) throws Exception {
    UserGroupInformation.createRemoteUser(user).doAs((PrivilegedExceptionAction<Object>) () -> action.run());
  }

  private static void say(String what, Action action) {
    String outcome;
    try {
      outcome = String.valueOf(action.run());
    } catch (Throwable error) {
      outcome = "! " + describe(error);
    }
    count += 1;
    System.out.println(count + " " + what + " => " + outcome.replace("\n", "\\n"));
  }

  private static String describe(Throwable error) {
    Throwable cause = error;
    StringBuilder text = new StringBuilder();
    for (int depth = 0; cause != null && depth < 4; depth++, cause = cause.getCause())
      text.append(depth == 0 ? "" : " < ").append(cause.getClass().getSimpleName()).append(": ").append(firstLine(cause.getMessage()));
    return text.toString();
  }

  private static String firstLine(String message) {
    return message == null ? "null" : message.split("\n")[0];
  }

  private static String version(KeyVersion one) {
    if (one == null) return "null";
    String length = one.getMaterial() == null ? "none" : String.valueOf(one.getMaterial().length);
    return one.getName() + " " + one.getVersionName() + " " + length;
  }

  private static String versions(List<KeyVersion> list) {
    StringBuilder text = new StringBuilder("[");
    for (KeyVersion one : list) text.append(version(one)).append(", ");
    return text.append("]").toString();
  }

  private static String metadata(Metadata one) {
    if (one == null) return "null";
    return one.getCipher() + " " + one.getBitLength() + " " + one.getDescription() + " " + new java.util.TreeMap<>(one.getAttributes())
        + " " + one.getVersions() + " " + (one.getCreated().getTime() > 1_700_000_000_000L);
  }

  private static String eek(EncryptedKeyVersion one) {
    return one.getEncryptionKeyName() + " " + one.getEncryptionKeyVersionName() + " " + one.getEncryptedKeyVersion().getVersionName()
        + " " + one.getEncryptedKeyIv().length + " " + one.getEncryptedKeyVersion().getMaterial().length;
  }

  private static List<String> sorted(List<String> names) {
    List<String> copy = new ArrayList<>(names);
    Collections.sort(copy);
    return copy;
  }
}
