import java.io.InputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.List;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.apache.commons.net.ftp.FTP;
import org.apache.commons.net.ftp.FTPClient;
import org.apache.commons.net.ftp.FTPFile;
import org.apache.commons.net.ftp.FTPSClient;

/** Java's commons-net: HOST PORT TLS DATA DIRECTORY AUTHORITY. What it prints is the listing. */
public class Client {
    public static void main(String[] arguments) throws Exception {
        String host = arguments[0], tls = arguments[2], data = arguments[3], directory = arguments[4];
        FTPClient ftp = tls.equals("plain") ? new FTPClient() : secure(tls.equals("implicit"), Path.of(arguments[5]));
        ftp.setConnectTimeout(30_000);
        ftp.setDataTimeout(java.time.Duration.ofSeconds(30));
        ftp.setUseEPSVwithIPv4(data.equals("EPSV"));
        ftp.connect(host, Integer.parseInt(arguments[1]));
        ftp.setSoTimeout(30_000);
        must(ftp, ftp.login("ann", "ann-secret"));
        if (ftp instanceof FTPSClient) {
            ((FTPSClient) ftp).execPBSZ(0);
            ((FTPSClient) ftp).execPROT("P");
        }
        if (List.of("PASV", "EPSV").contains(data)) {
            ftp.enterLocalPassiveMode();
        } else {
            ftp.enterLocalActiveMode();
        }
        must(ftp, ftp.setFileType(FTP.BINARY_FILE_TYPE));
        must(ftp, ftp.changeWorkingDirectory(directory));
        play(ftp);
        ftp.logout();
        ftp.disconnect();
    }

    private static void play(FTPClient ftp) throws IOException {
        try (InputStream up = Files.newInputStream(Path.of("up.bin"))) {
            must(ftp, ftp.storeFile("up.bin", up));
        }
        long size = Files.size(Path.of("up.bin"));
        for (FTPFile[] files : List.of(ftp.listFiles(), ftp.mlistDir())) {
            for (FTPFile file : files) {
                System.out.println(file.getName() + " " + file.getSize() + " " + file.getTimestamp().toInstant());
                if (file.getName().equals("up.bin") && file.getSize() != size) {
                    throw new IOException("up.bin is listed with " + file.getSize() + " bytes");
                }
            }
        }
        try (OutputStream down = Files.newOutputStream(Path.of("down.bin"))) {
            must(ftp, ftp.retrieveFile("up.bin", down));
        }
        must(ftp, ftp.rename("up.bin", "moved.bin"));
        must(ftp, ftp.deleteFile("surplus.bin"));
    }

    private static FTPSClient secure(boolean implicit, Path authority) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null);
        try (InputStream file = Files.newInputStream(authority)) {
            store.setCertificateEntry("authority", CertificateFactory.getInstance("X.509").generateCertificate(file));
        }
        TrustManagerFactory trusted = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trusted.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trusted.getTrustManagers(), null);
        FTPSClient ftp = new FTPSClient(implicit, context);
        ftp.setEndpointCheckingEnabled(true);
        return ftp;
    }

    private static void must(FTPClient ftp, boolean done) throws IOException {
        if (!done) {
            throw new IOException(ftp.getReplyString());
        }
    }
}
