import java.net.URI;
import java.security.PrivilegedExceptionAction;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.crypto.key.KeyProvider;
import org.apache.hadoop.crypto.key.KeyProvider.Options;
import org.apache.hadoop.crypto.key.KeyProviderDelegationTokenExtension;
import org.apache.hadoop.crypto.key.KeyProviderFactory;
import org.apache.hadoop.security.Credentials;
import org.apache.hadoop.security.UserGroupInformation;
import org.apache.hadoop.security.token.Token;

/** Arguments: provider URI, keytabs of alice, hdfs and yarn. Ends with `all ok`, or with the exception of the first step that fails. */
public class KerberosDriver {
  private static Configuration conf = new Configuration();
  private static URI uri;

  public static void main(String[] args) throws Exception {
    uri = new URI(args[0]);
    conf.set("hadoop.security.authentication", "kerberos");
    conf.set("hadoop.security.kms.client.failover.max.retries", "0");
    UserGroupInformation.setConfiguration(conf);
    UserGroupInformation alice = login("alice", args[1]);
    UserGroupInformation hdfs = login("hdfs", args[2]);
    UserGroupInformation yarn = login("yarn", args[3]);

    Token<?> token = alice.doAs((PrivilegedExceptionAction<Token<?>>) () -> {
      KeyProvider kp = provider();
      kp.createKey("kerb", new Options(conf).setBitLength(128));
      check(kp.getMetadata("kerb").getVersions() == 1, "alice creates by SPNEGO");
      Token<?>[] tokens = KeyProviderDelegationTokenExtension.createKeyProviderDelegationTokenExtension(kp)
          .addDelegationTokens("yarn", new Credentials());
      check(tokens.length == 1, "alice gets a token");
      return tokens[0];
    });
    UserGroupInformation.createProxyUser("alice", hdfs).doAs((PrivilegedExceptionAction<Void>) () -> {
      check(provider().rollNewVersion("kerb").getVersionName().equals("kerb@1"), "hdfs rolls as alice");
      return null;
    });
    UserGroupInformation.createProxyUser("mallory", hdfs).doAs((PrivilegedExceptionAction<Void>) () -> {
      fails(() -> provider().getKeys(), "hdfs may not act for mallory");
      return null;
    });
    UserGroupInformation bearer = UserGroupInformation.createRemoteUser("nobody");
    bearer.addToken(token);
    bearer.doAs((PrivilegedExceptionAction<Void>) () -> {
      check(provider().getKeys().contains("kerb"), "the token speaks for alice");
      return null;
    });
    long renewed = yarn.doAs((PrivilegedExceptionAction<Long>) () -> token.renew(conf));
    check(renewed > System.currentTimeMillis(), "yarn renews");
    alice.doAs((PrivilegedExceptionAction<Void>) () -> { token.cancel(conf); return null; });
    yarn.doAs((PrivilegedExceptionAction<Void>) () -> {
      fails(() -> token.renew(conf), "a cancelled token is not renewed");
      return null;
    });
    System.out.println("all ok");
    System.exit(0);
  }

  interface Action {
    Object run() throws Exception;
  }

  private static UserGroupInformation login(String name, String keytab) throws Exception {
    return UserGroupInformation.loginUserFromKeytabAndReturnUGI(name + "@TEST.LOCAL", keytab);
  }

  private static KeyProvider provider() throws Exception {
    return KeyProviderFactory.get(uri, conf);
  }

  private static void check(boolean holds, String what) {
    System.out.println((holds ? "ok " : "NOT ") + what);
    if (!holds) throw new IllegalStateException(what);
  }

  private static void fails(Action action, String what) throws Exception {
    try {
      action.run();
    } catch (Exception expected) {
      System.out.println("ok " + what);
      return;
    }
    throw new IllegalStateException(what);
  }
}
