// Node's basic-ftp: HOST PORT TLS DATA DIRECTORY AUTHORITY. What it prints is the listing.
const fs = require("fs");
const ftp = require("basic-ftp");

async function main(host, port, tls, data, directory, authority) {
    const client = new ftp.Client(30000);
    client.prepareTransfer = data === "PASV" ? ftp.enterPassiveModeIPv4 : ftp.enterPassiveModeIPv6;
    const secure = { plain: false, explicit: true, implicit: "implicit" }[tls];
    const secureOptions = secure ? { ca: fs.readFileSync(authority) } : undefined;
    await client.access({ host, port: Number(port), user: "ann", password: "ann-secret", secure, secureOptions });
    await client.cd(directory);
    await client.uploadFrom("up.bin", "up.bin");
    for (const file of await client.list()) {
        console.log(file.name, file.size, file.modifiedAt);
    }
    await client.downloadTo("down.bin", "up.bin");
    await client.rename("up.bin", "moved.bin");
    await client.remove("surplus.bin");
    client.close();
}

main(...process.argv.slice(2)).catch((error) => {
    console.error(error);
    process.exit(1);
});
