import java.io.File;
import java.io.InputStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.PrivilegedExceptionAction;
import java.util.Arrays;
import java.util.EnumSet;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.crypto.key.KeyProvider;
import org.apache.hadoop.crypto.key.KeyProvider.Options;
import org.apache.hadoop.crypto.key.KeyProviderFactory;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RemoteIterator;
import org.apache.hadoop.fs.Trash;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.hdfs.DistributedFileSystem;
import org.apache.hadoop.hdfs.MiniDFSCluster;
import org.apache.hadoop.hdfs.client.CreateEncryptionZoneFlag;
import org.apache.hadoop.hdfs.client.HdfsAdmin;
import org.apache.hadoop.hdfs.protocol.HdfsConstants.ReencryptAction;
import org.apache.hadoop.hdfs.protocol.ZoneReencryptionStatus;
import org.apache.hadoop.security.UserGroupInformation;

/**
 * A cluster of one DataNode with an encryption zone. Arguments: provider URI, folder. Where the KMS shall be restarted or killed it prints
 * `PLEASE restart` or `PLEASE kill` and waits for a line on standard input. Ends with `zone ok`.
 */
public class ZoneDriver {
  public static void main(String[] args) throws Exception {
    UserGroupInformation superuser = UserGroupInformation.createUserForTesting("hdfs", new String[] {"supergroup"});
    superuser.doAs((PrivilegedExceptionAction<Void>) () -> { run(args[0], args[1]); return null; });
    System.out.println("zone ok");
    System.exit(0);
  }

  private static void run(String provider, String folder) throws Exception {
    Configuration conf = new Configuration();
    conf.set("hadoop.security.key.provider.path", provider);
    conf.set("fs.trash.interval", "60");
    conf.set("hadoop.proxyuser.hdfs.users", "*");
    conf.set("hadoop.proxyuser.hdfs.hosts", "*");
    UserGroupInformation alice = UserGroupInformation.createUserForTesting("alice", new String[] {"users"});
    UserGroupInformation bob = UserGroupInformation.createUserForTesting("bob", new String[] {"users"});
    alice.doAs((PrivilegedExceptionAction<Void>) () -> {
      KeyProvider kp = KeyProviderFactory.get(new URI(provider), conf);
      kp.createKey("zonekey", new Options(conf).setBitLength(128));
      return null;
    });
    MiniDFSCluster cluster = new MiniDFSCluster.Builder(conf, new File(folder)).numDataNodes(1).build();
    try {
      cluster.waitActive();
      DistributedFileSystem fs = cluster.getFileSystem();
      Path zone = new Path("/zone");
      fs.mkdirs(zone);
      fs.setPermission(zone, new FsPermission((short) 0777));
      HdfsAdmin admin = new HdfsAdmin(cluster.getURI(), conf);
      admin.createEncryptionZone(zone, "zonekey", EnumSet.of(CreateEncryptionZoneFlag.PROVISION_TRASH));
      Path file = new Path(zone, "file");
      byte[] content = "what nobody else may read".getBytes(StandardCharsets.UTF_8);
      FileSystem ofAlice = as(alice, cluster.getURI(), conf);
      write(alice, ofAlice, file, content);
      check(Arrays.equals(read(alice, ofAlice, file), content), "read back");
      byte[] raw = read(superuser(), fs, new Path("/.reserved/raw/zone/file"));
      check(raw.length == content.length && !Arrays.equals(raw, content), "raw bytes differ");
      // Within one process clients share a connection to the KMS, with the cookie of whoever came first.
      Configuration own = new Configuration(conf);
      own.set("dfs.client.context", "bob");
      refused(bob, as(bob, cluster.getURI(), own), file, "bob may not decrypt");
      String before = fs.getClient().getFileInfo("/zone/file").getFileEncryptionInfo().getEzKeyVersionName();
      check(before.equals("zonekey@0"), "first version");
      alice.doAs((PrivilegedExceptionAction<Void>) () -> {
        KeyProviderFactory.get(new URI(provider), conf).rollNewVersion("zonekey");
        return null;
      });
      admin.reencryptEncryptionZone(zone, ReencryptAction.START);
      awaitReencryption(admin);
      String after = fs.getClient().getFileInfo("/zone/file").getFileEncryptionInfo().getEzKeyVersionName();
      check(after.equals("zonekey@1"), "re-encrypted to " + after);
      check(Arrays.equals(read(alice, ofAlice, file), content), "read after re-encryption");
      for (String what : new String[] {"restart", "kill"}) {
        ask(what);
        check(Arrays.equals(read(alice, ofAlice, file), content), "read after " + what);
        Path more = new Path(zone, what);
        write(alice, ofAlice, more, content);
        check(Arrays.equals(read(alice, ofAlice, more), content), "write after " + what);
      }
      alice.doAs((PrivilegedExceptionAction<Void>) () -> {
        check(Trash.moveToAppropriateTrash(ofAlice, file, conf), "moved to trash");
        return null;
      });
      check(!fs.exists(file) && fs.exists(new Path("/zone/.Trash/alice/Current/zone/file")), "trash inside the zone");
    } finally {
      cluster.shutdown(true);
    }
  }

  private static UserGroupInformation superuser() throws Exception {
    return UserGroupInformation.getCurrentUser();
  }

  private static FileSystem as(UserGroupInformation user, URI uri, Configuration conf) throws Exception {
    return user.doAs((PrivilegedExceptionAction<FileSystem>) () -> FileSystem.newInstance(uri, conf));
  }

  private static void write(UserGroupInformation user, FileSystem fs, Path path, byte[] content) throws Exception {
    user.doAs((PrivilegedExceptionAction<Void>) () -> {
      try (FSDataOutputStream out = fs.create(path)) { out.write(content); }
      return null;
    });
  }

  private static byte[] read(UserGroupInformation user, FileSystem fs, Path path) throws Exception {
    return user.doAs((PrivilegedExceptionAction<byte[]>) () -> {
      try (InputStream in = fs.open(path)) { return in.readAllBytes(); }
    });
  }

  private static void refused(UserGroupInformation user, FileSystem fs, Path path, String what) throws Exception {
    try {
      read(user, fs, path);
    } catch (Exception expected) {
      check(String.valueOf(expected).contains("not authorized") || String.valueOf(expected).contains("not allowed"), what + ": " + expected);
      return;
    }
    throw new IllegalStateException(what);
  }

  private static void awaitReencryption(HdfsAdmin admin) throws Exception {
    for (int tries = 0; tries < 300; tries++) {
      RemoteIterator<ZoneReencryptionStatus> all = admin.listReencryptionStatus();
      if (all.hasNext() && all.next().getState() == ZoneReencryptionStatus.State.Completed) return;
      Thread.sleep(200);
    }
    throw new IllegalStateException("re-encryption did not end");
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
