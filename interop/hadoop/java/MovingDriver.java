import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.PrivilegedExceptionAction;
import java.util.Base64;
import java.util.HexFormat;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.crypto.key.KeyProviderCryptoExtension;
import org.apache.hadoop.crypto.key.KeyProviderCryptoExtension.EncryptedKeyVersion;
import org.apache.hadoop.crypto.key.KeyProviderFactory;
import org.apache.hadoop.crypto.key.KeyShell;
import org.apache.hadoop.security.UserGroupInformation;
import org.apache.hadoop.util.ToolRunner;

/**
 * What Hadoop's own tools see of a key provider: `hadoop key list -metadata`, and the data keys of the encrypted keys on standard
 * input (name, version, IV, material, with tabs between). Arguments: provider URI; keytab and principal where it is Kerberos.
 */
public class MovingDriver {
  public static void main(String[] args) throws Exception {
    Configuration conf = new Configuration();
    String provider = args[0];
    conf.set("hadoop.security.key.provider.path", provider);
    UserGroupInformation user;
    if (args.length > 1) {
      conf.set("hadoop.security.authentication", "kerberos");
      UserGroupInformation.setConfiguration(conf);
      user = UserGroupInformation.loginUserFromKeytabAndReturnUGI(args[2], args[1]);
    } else {
      user = UserGroupInformation.createRemoteUser("alice");
    }
    user.doAs((PrivilegedExceptionAction<Void>) () -> {
      int exit = ToolRunner.run(conf, new KeyShell(), new String[] {"list", "-metadata", "-provider", provider});
      if (exit != 0) throw new IllegalStateException("hadoop key list ended with " + exit);
      decryptAll(conf, provider);
      return null;
    });
    System.exit(0);
  }

  private static void decryptAll(Configuration conf, String provider) throws Exception {
    KeyProviderCryptoExtension kp = KeyProviderCryptoExtension.createKeyProviderCryptoExtension(
        KeyProviderFactory.get(new URI(provider), conf));
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      String[] parts = line.split("\t");
      EncryptedKeyVersion eek = EncryptedKeyVersion.createForDecryption(
          parts[0], parts[1], Base64.getUrlDecoder().decode(parts[2]), Base64.getUrlDecoder().decode(parts[3]));
      byte[] opened = kp.decryptEncryptedKey(eek).getMaterial();
      System.out.println("opened " + parts[1] + " " + HexFormat.of().formatHex(opened));
    }
  }
}
