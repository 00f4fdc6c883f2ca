"""What PHP's ftp_* and Node's basic-ftp do beyond the matrix: whole trees, the rest of a file, and everything small."""

import os

from check import check, expect, same, same_trees
from matrix_clients import CLIENTS

PHP = """
set_error_handler(function ($level, $message) { fwrite(STDERR, "$message\\n"); exit(1); });
function must($done) { if ($done === false) { throw new Exception('it was refused'); } return $done; }
[, $host, $port, $directory] = $argv;
$ftp = must(ftp_ssl_connect($host, (int) $port, 30));
must(ftp_login($ftp, 'ann', 'ann-secret'));
must(ftp_pasv($ftp, true));
must(ftp_chdir($ftp, $directory));
"""

NODE = """
const fs = require("fs");
const ftp = require("basic-ftp");
const [host, port, directory, authority] = process.argv.slice(1);
const client = new ftp.Client(30000);
async function session(play) {
    const secureOptions = { ca: fs.readFileSync(authority) };
    await client.access({ host, port: Number(port), user: "ann", password: "ann-secret", secure: true, secureOptions });
    await client.cd(directory);
    await play();
    client.close();
}
function done(play) {
    session(play).catch((error) => { console.error(error); process.exit(1); });
}
"""


def php(room, program):
    server = room.site.tls
    return room.run("php", "-r", PHP + program, "--", server.host, server.port, room.path)


def node(room, program):
    server, modules = room.site.tls, room.site.directory / "node" / "node_modules"
    next(client for client in CLIENTS if client.name == "Node basic-ftp").prepare(room.site)
    command = ["node", "-e", f"{NODE} done(async () => {{ {program} }});", "--"]
    return room.run(*command, server.host, server.port, room.path, room.site.certificate.file, NODE_PATH=str(modules))


@check
def php_transfers_the_rest_of_a_file(room):
    file = room.local("up.bin", 3_000_000)
    room.remote("up.bin", data=file.read_bytes()[:1_234_567])
    (room.here / "down.bin").write_bytes(file.read_bytes()[:1_234_567])
    php(room, "must(ftp_put($ftp, 'up.bin', 'up.bin', FTP_BINARY, FTP_AUTORESUME));")
    same(room.there / "up.bin", file)
    php(room, "must(ftp_get($ftp, 'down.bin', 'up.bin', FTP_BINARY, FTP_AUTORESUME));")
    same(room.here / "down.bin", file)
    room.local("more", data=b"more")
    php(room, "must(ftp_append($ftp, 'up.bin', 'more', FTP_BINARY));")
    same(room.there / "up.bin", file.read_bytes() + b"more")


@check
def php_transfers_by_and_by(room):
    file = room.local("up.bin", 3_000_000)
    php(room, """
        function finish($ftp, $state) {
            while ($state == FTP_MOREDATA) { $state = ftp_nb_continue($ftp); }
            must($state == FTP_FINISHED);
        }
        finish($ftp, ftp_nb_put($ftp, 'ünï ☃', 'up.bin', FTP_BINARY));
        finish($ftp, ftp_nb_get($ftp, 'down.bin', 'ünï ☃', FTP_BINARY));
    """)  # fmt: skip
    same(room.there / "ünï ☃", file)
    same(room.here / "down.bin", file)


@check
def php_asks_and_changes(room):
    file = room.remote("file", 4321)
    os.utime(file, (1_700_000_000, 1_700_000_000))
    php(room, """
        must(ftp_size($ftp, 'file') === 4321);
        must(ftp_mdtm($ftp, 'file') === 1700000000);
        must(ftp_systype($ftp) === 'UNIX');
        must(ftp_pwd($ftp) === $directory);
        must(ftp_chmod($ftp, 0640, 'file') === 0640);
        must(ftp_alloc($ftp, 1000000));
        must(ftp_site($ftp, 'CHMOD 600 file'));
        must(ftp_mkdir($ftp, 'two ☃ words') === "$directory/two ☃ words");
        must(ftp_chdir($ftp, 'two ☃ words'));
        must(ftp_cdup($ftp));
        must(ftp_rmdir($ftp, 'two ☃ words'));
        must(ftp_nlist($ftp, '-la') !== []);
        must(ftp_raw($ftp, 'FEAT')[0] === '211-Features supported:');
        $facts = must(ftp_mlsd($ftp, '.'));
        must(array_column($facts, 'size', 'name')['file'] === '4321');
    """)  # fmt: skip
    expect(file.stat().st_mode & 0o777 == 0o600, f"the mode is {file.stat().st_mode:o}")


@check
def node_moves_a_tree_both_ways(room):
    tree = room.plant(room.here / "tree")
    node(room, """
        await client.uploadFromDir("tree", "copy");
        await client.cd(directory);
        await client.downloadToDir("back", "copy");
    """)  # fmt: skip
    same_trees(room.there / "copy", tree)
    same_trees(room.here / "back", tree)
    node(room, 'await client.removeDir("copy");')
    expect(not (room.there / "copy").exists(), "the tree is still there")


@check
def node_transfers_the_rest_of_a_file(room):
    file = room.local("up.bin", 3_000_000)
    room.remote("up.bin", data=file.read_bytes()[:1_234_567])
    (room.here / "down.bin").write_bytes(file.read_bytes()[:1_234_567])
    node(room, """
        const size = await client.size("up.bin");
        await client.appendFrom("up.bin", "up.bin", { localStart: size });
        await client.downloadTo("down.bin", "up.bin", size);
        const time = await client.lastMod("up.bin");
        if (Math.abs(Date.now() - time) > 60000) throw new Error(`the time is ${time}`);
    """)  # fmt: skip
    same(room.there / "up.bin", file)
    same(room.here / "down.bin", file)
