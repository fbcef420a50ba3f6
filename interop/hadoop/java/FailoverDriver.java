import java.net.URI;
import java.security.PrivilegedExceptionAction;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.crypto.key.KeyProvider;
import org.apache.hadoop.crypto.key.KeyProvider.Options;
import org.apache.hadoop.crypto.key.KeyProviderCryptoExtension;
import org.apache.hadoop.crypto.key.KeyProviderCryptoExtension.EncryptedKeyVersion;
import org.apache.hadoop.crypto.key.KeyProviderFactory;
import org.apache.hadoop.security.UserGroupInformation;

/**
 * Hadoop's client over two instances with HTTPS. Whoever started this kills an instance in the middle of a create, a roll and a delete, at
 * each step that follows the provider URI on the command line: there must be exactly one version more each time, and none after the delete.
 */
public class FailoverDriver {
  private static final Configuration conf = new Configuration();
  private static URI uri;

  public static void main(String[] args) throws Exception {
    uri = new URI(args[0]);
    UserGroupInformation alice = UserGroupInformation.createRemoteUser("alice");
    alice.doAs((PrivilegedExceptionAction<Void>) () -> {
      for (int step = 1; step < args.length; step++) killed(args[step], "crash" + step);
      oneGone();
      return null;
    });
    System.out.println("failover ok");
    System.exit(0);
  }

  private static void killed(String step, String name) throws Exception {
    KeyProvider kp = KeyProviderFactory.get(uri, conf);
    ask("arm " + step);
    kp.createKey(name, new Options(conf).setBitLength(128));
    ask("revive");
    check(KeyProviderFactory.get(uri, conf).getMetadata(name).getVersions() == 1, "create killed at " + step);
    KeyProvider fresh = KeyProviderFactory.get(uri, conf);
    ask("arm " + step);
    try {
      fresh.rollNewVersion(name);
    } catch (Exception expected) {
      // The client tells every instance to forget the key, and one of them is gone: the roll was done all the same.
      System.out.println("told: " + String.valueOf(expected.getMessage()).split("\n")[0]);
    }
    ask("revive");
    int versions = KeyProviderFactory.get(uri, conf).getMetadata(name).getVersions();
    check(versions == 2, "roll killed at " + step + ": " + versions + " versions");
    ask("arm " + step);
    try {
      fresh.deleteKey(name);
    } catch (Exception expected) {
      System.out.println("told: " + String.valueOf(expected.getMessage()).split("\n")[0]);
    }
    ask("revive");
    KeyProvider last = KeyProviderFactory.get(uri, conf);
    check(last.getMetadata(name) == null, "delete killed at " + step);
    last.createKey(name, new Options(conf).setBitLength(128));
    check(last.getMetadata(name).getVersions() == 1, "the name is free after " + step);
  }

  /** Everything goes on with one of two. */
  private static void oneGone() throws Exception {
    KeyProviderCryptoExtension kp = KeyProviderCryptoExtension.createKeyProviderCryptoExtension(KeyProviderFactory.get(uri, conf));
    EncryptedKeyVersion before = kp.generateEncryptedKey("crash1");
    ask("kill one");
    for (int times = 0; times < 10; times++) {
      check(kp.decryptEncryptedKey(before).getMaterial().length == 16, "decrypt " + times + " with one instance");
      check(kp.getKeys().contains("crash1"), "list " + times + " with one instance");
    }
    kp.createKey("alone", new Options(conf).setBitLength(128));
    ask("revive");
  }

  private static void ask(String what) throws Exception {
    System.out.println("PLEASE " + what);
    System.out.flush();
    System.in.read();
  }

  private static void check(boolean holds, String what) {
    System.out.println((holds ? "ok " : "NOT ") + what);
    if (!holds) throw new IllegalStateException(what);
  }
}
