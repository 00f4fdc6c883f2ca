<?php
// PHP's ftp_*: HOST PORT TLS DATA DIRECTORY AUTHORITY. What it prints is the listing.
[, $host, $port, $tls, $data, $directory] = $argv;
set_error_handler(function ($level, $message) {
    fwrite(STDERR, "$message\n");
    exit(1);
});

function must($done)
{
    if ($done === false) {
        fwrite(STDERR, (new Exception())->getTraceAsString() . "\n");
        exit(1);
    }
    return $done;
}

$ftp = must($tls == 'plain' ? ftp_connect($host, (int) $port, 30) : ftp_ssl_connect($host, (int) $port, 30));
must(ftp_login($ftp, 'ann', 'ann-secret'));
must(ftp_pasv($ftp, in_array($data, ['PASV', 'EPSV'])));
must(ftp_chdir($ftp, $directory));
must(ftp_put($ftp, 'up.bin', 'up.bin', FTP_BINARY));
must(ftp_size($ftp, 'up.bin') === filesize('up.bin'));
echo implode("\n", must(ftp_rawlist($ftp, '.'))), "\n";
must(in_array('up.bin', must(ftp_nlist($ftp, '.'))));
must(in_array('up.bin', array_column(must(ftp_mlsd($ftp, '.')), 'name')));
must(ftp_get($ftp, 'down.bin', 'up.bin', FTP_BINARY));
must(ftp_rename($ftp, 'up.bin', 'moved.bin'));
must(ftp_delete($ftp, 'surplus.bin'));
must(ftp_close($ftp));
