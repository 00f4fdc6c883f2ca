//! The shortest way through everything.

use crate::support::{TestServer, noise};

#[test]
fn a_file_goes_up_and_comes_down() {
    let server = TestServer::start();
    let home = server.files("ann");
    let mut ann = server.login("ann");
    let bytes = noise(300_000);
    ann.upload("STOR picture.jpg", &bytes);
    assert_eq!(home.read("picture.jpg"), bytes);
    assert_eq!(ann.download("RETR picture.jpg"), bytes);
    ann.send("DELE picture.jpg").expect(250);
    ann.send("QUIT").expect(221);
    ann.expect_end();
    let received = server.expect_event("ftp_file_received", &[("username", "ann")]);
    assert_eq!(received["bytes"], 300_000);
    server.expect_event("ftp_file_deleted", &[("virtual_path", "/picture.jpg")]);
    let last = server.stop().pop().unwrap();
    assert_eq!(last["event"], "ftp_server_stopped");
}
