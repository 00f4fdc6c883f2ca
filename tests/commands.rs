//! Every verb that needs no data connection: its codes, its arguments, what it says before login. Those that are about
//! files are in `file_commands.rs`.

use crate::support::TestServer;
use std::os::unix::fs::PermissionsExt;

#[test]
fn before_login_a_session_answers_questions_and_nothing_else() {
    let server = TestServer::start();
    server.files("ann").write("f", "x");
    for user in [None, Some(("USER ann", 331))] {
        let mut client = server.client();
        client.script(user.as_slice());
        client.script(&[
            ("NOOP", 200),
            ("SYST", 215),
            ("FEAT", 211),
            ("HELP", 214),
            ("HELP RETR", 214),
            ("SITE HELP", 214),
            ("STAT", 211),
            ("CLNT a test", 200),
            ("OPTS UTF8 ON", 200),
            ("OPTS UTF-8 ON", 200),
            ("OPTS utf8 on", 200),
        ]);
        for line in [
            "ABOR",
            "ALLO 1",
            "APPE f",
            "AVBL",
            "CDUP",
            "CWD /",
            "DELE f",
            "EPRT |1|127.0.0.1|2000|",
            "EPSV",
            "HASH f",
            "LIST",
            "MDTM f",
            "MDTM 20260102030405 f",
            "MFMT 20260102030405 f",
            "MKD d",
            "MLSD",
            "MLST",
            "MODE S",
            "NLST",
            "PASV",
            "PORT 127,0,0,1,8,0",
            "PWD",
            "REIN",
            "REST 0",
            "RETR f",
            "RMD d",
            "RNFR f",
            "RNTO g",
            "SITE CHMOD 600 f",
            "SITE IDLE",
            "SITE QUOTA",
            "SITE UMASK",
            "SITE UTIME 20260102030405 f",
            "SIZE f",
            "STAT /",
            "STOR f",
            "STOU",
            "STRU F",
            "TYPE I",
            "OPTS HASH",
            "OPTS MLST",
            "XCRC f",
            "XCUP",
            "XCWD /",
            "XMD5 f",
            "XMKD d",
            "XPWD",
            "XRMD d",
            "XSHA1 f",
            "XSHA256 f",
            "XSHA512 f",
        ] {
            client.script(&[(line, 530)]);
        }
    }
}

#[test]
fn what_is_wrong_with_a_line_is_said_before_login_and_after() {
    let server = TestServer::start();
    server.files("ann").write("f", "x");
    let needs_argument = [
        "ALLO",
        "APPE",
        "DELE",
        "EPRT",
        "HASH",
        "MDTM",
        "MFMT",
        "MKD",
        "MODE",
        "OPTS",
        "PORT",
        "REST",
        "RETR",
        "RMD",
        "RNFR",
        "RNTO",
        "SITE",
        "SITE CHMOD",
        "SITE UTIME",
        "SIZE",
        "STOR",
        "STRU",
        "TYPE",
        "USER",
        "XCRC",
        "XMD5",
        "XMKD",
        "XRMD",
        "XSHA1",
        "XSHA256",
        "XSHA512",
    ];
    let takes_none = ["ABOR", "CDUP", "FEAT", "NOOP", "PASV", "PWD", "QUIT", "REIN", "SYST", "XCUP", "XPWD"];
    for mut client in [server.client(), server.login("ann")] {
        for verb in needs_argument {
            client.script(&[(verb, 501), (&format!("{verb} "), 501)]);
        }
        for verb in takes_none {
            client.script(&[(&format!("{verb} x"), 501)]);
        }
        client.script(&[("XYZZY", 500), ("RETRX f", 500), ("", 500), ("RETR\tf", 500), ("SITE EXEC ls", 500)]);
        client.script(&[("ACCT x", 502), ("SMNT /", 502), ("smnt /", 502)]);
    }
}

#[test]
fn what_is_left_out_on_purpose_is_not_done_by_any_name() {
    let server = TestServer::start();
    let home = server.files("ann");
    home.write("f", "x");
    let mut ann = server.login("ann");
    ann.script(&[("MIC x", 502), ("CONF x", 502), ("ENC x", 502), ("enc x", 502)]);
    for command in
        ["EXEC rm f", "CPFR f", "CPTO g", "SYMLINK f g", "CHOWN root f", "CHGRP root f", "MKDIR d", "COPY f g"]
    {
        ann.send(&format!("SITE {command}")).expect(500);
    }
    for line in ["ADAT x", "LANG en", "HOST example.org", "LPRT 4,4,127,0,0,1,2,8,0", "LPSV", "RANG 0 1", "MFCT 2026 f"]
    {
        ann.send(line).expect(500);
    }
    for line in ["OPTS MODE Z LEVEL 9", "OPTS RETR", "OPTS NLST"] {
        ann.send(line).expect(501);
    }
    ann.script(&[("MODE Z", 504), ("MODE B", 504), ("STRU R", 504), ("STRU P", 504), ("TYPE E", 504), ("MODE S", 200)]);
    assert_eq!((home.names(""), home.read("f")), (vec!["f".to_string()], b"x".to_vec()));
}

#[test]
fn arguments_that_make_no_sense() {
    let server = TestServer::start();
    server.files("ann").write("f", "x");
    server.login("ann").script(&[
        ("TYPE E", 504),
        ("TYPE L 9", 504),
        ("TYPE A T", 504),
        ("STRU P", 504),
        ("STRU R", 504),
        ("STRU X", 501),
        ("MODE B", 504),
        ("MODE C", 504),
        ("MODE Z", 504),
        ("MODE X", 501),
        ("ALLO x", 501),
        ("ALLO -1", 501),
        ("ALLO 5 R", 501),
        ("REST x", 501),
        ("REST -1", 501),
        ("REST 1.5", 501),
        ("REST 9223372036854775808", 501),
        ("OPTS XYZ", 501),
        ("OPTS MLST type", 501),
        ("OPTS MLST type; size;", 501),
        ("PORT 1,2,3", 501),
        ("PORT 127,0,0,1,256,0", 501),
        ("PORT 127,0,0,1,8,0,0", 501),
        ("PORT a,b,c,d,e,f", 501),
        ("EPRT 127.0.0.1", 501),
        ("EPRT |1|127.0.0.1|70000|", 501),
        ("EPRT |3|127.0.0.1|2000|", 501),
        ("EPSV 3", 501),
        ("EPSV x", 501),
        ("MFMT 2026 f", 550),
        ("MFMT 20261302030405 f", 550),
        ("MFMT 20260102030405", 501),
        ("SITE CHMOD 999 f", 501),
        ("SITE CHMOD 644", 501),
        ("SITE CHMOD u+w f", 501),
        ("SITE UTIME x f", 501),
        ("SITE UMASK 8", 501),
        ("SITE UMASK 1000", 501),
        ("SITE IDLE x", 501),
        ("SITE IDLE 0", 501),
        ("SITE IDLE 999999", 501),
        ("SITE QUOTA x", 501),
        ("HELP XYZZY", 501),
        ("SITE HELP XYZZY", 501),
        ("NOOP", 200),
    ]);
}

#[test]
fn settings_that_old_clients_make() {
    let server = TestServer::start();
    server.login("ann").script(&[
        ("TYPE A", 200),
        ("TYPE A N", 200),
        ("TYPE a n", 200),
        ("TYPE i", 200),
        ("TYPE L 7", 200),
        ("TYPE L 8", 200),
        ("STRU F", 200),
        ("MODE S", 200),
        ("ALLO 5", 200),
        ("ALLO 5 R 3", 200),
        ("CLNT x y z", 200),
        ("SITE IDLE", 200),
        ("SITE IDLE 60", 200),
        ("SITE QUOTA", 202),
        ("SITE UMASK", 200),
        ("site umask 077", 200),
        ("EPSV 1", 229),
        ("ABOR", 225),
        ("ABOR", 225),
    ]);
}

#[test]
fn telnet_junk_in_front_of_abor_stat_and_quit_is_passed_over() {
    let server = TestServer::start();
    let mut client = server.login("ann");
    for junk in [b"\xFF\xF4\xFF\xF2".as_slice(), b"\xF2", b"\xFF\xF4\xF2"] {
        client.send_bytes(&[junk, b"ABOR\r\n"].concat()).expect(225);
        client.send_bytes(&[junk, b"STAT\r\n"].concat()).expect(211);
    }
    client.send("XABOR").expect(500);
    client.send_bytes(b"\xFF\xF4\xFF\xF2QUIT\r\n").expect(221);
    client.expect_end();
}

#[test]
fn help_names_every_verb_and_each_is_known() {
    let server = TestServer::start();
    let mut client = server.login("ann");
    let help = client.send("HELP").expect(214);
    let lines: Vec<&str> = help.split("\r\n").collect();
    let (middle, last) = (&lines[1..lines.len() - 1], lines[lines.len() - 1]);
    assert!(last.starts_with("214 "), "{last}");
    assert!(middle.iter().all(|line| line.starts_with(' ')), "{help}");
    let verbs: Vec<&str> = middle.iter().flat_map(|line| line.split_whitespace()).collect();
    for verb in ["ABOR", "RETR", "STOR", "MLSD", "EPSV", "MFMT", "SITE"] {
        assert!(verbs.contains(&verb), "{verb} in {help}");
    }
    for verb in verbs {
        let syntax = client.send(&format!("HELP {verb}")).expect(214);
        assert!(syntax.starts_with(&format!("214 Syntax: {verb}")), "{syntax}");
        client.send(&format!("help {}", verb.to_lowercase())).expect(214);
        let known = verb == "QUIT" || ![500, 502].contains(&client.code(&format!("{verb} ")));
        assert!(known, "{verb}");
        client = server.login("ann");
    }
    let site = client.send("SITE HELP").expect(214);
    for word in ["CHMOD", "HELP", "IDLE", "QUOTA", "UMASK", "UTIME"] {
        assert!(site.contains(&format!("\r\n {word}\r\n")), "{site}");
        // As the reference has it: the full name, or it is not known.
        client.send(&format!("SITE HELP SITE {word}")).expect(214);
        client.send(&format!("SITE HELP {word}")).expect(if word == "HELP" { 214 } else { 501 });
        client.send(&format!("HELP SITE {word}")).expect(214);
    }
}

#[test]
fn feat_has_the_form_of_rfc_2389_and_is_true() {
    let server = TestServer::start();
    let mut client = server.login("ann");
    let features = client.send("FEAT").expect(211);
    let lines: Vec<&str> = features.split("\r\n").collect();
    let (middle, last) = (&lines[1..lines.len() - 1], lines[lines.len() - 1]);
    assert!(lines[0].starts_with("211-") && last.starts_with("211 End"), "{features}");
    for line in middle {
        assert!(line.starts_with(' ') && !line.starts_with("  ") && !line.ends_with(' '), "{line:?}");
    }
    for feature in [
        "EPRT",
        "EPSV",
        "HASH SHA-256*;SHA-512;SHA-1;MD5;CRC32",
        "MDTM",
        "MFMT",
        "REST STREAM",
        "SIZE",
        "TVFS",
        "UTF8",
        "XMD5",
    ] {
        assert_eq!(middle.iter().filter(|line| line[1..] == *feature).count(), 1, "{feature} in {features}");
    }
    assert!(!features.contains("AUTH") && !features.contains("PROT"), "{features}");
    let facts = "MLST type*;perm*;size*;modify*;unique*;unix.mode;unix.uid;unix.gid;";
    assert!(middle.contains(&&*format!(" {facts}")), "{features}");
    client.send("OPTS MLST size;unix.mode;").expect(200);
    let facts = " MLST type;perm;size*;modify;unique;unix.mode*;unix.uid;unix.gid;";
    assert!(client.send("FEAT").expect(211).split("\r\n").any(|line| line == facts));
    assert!(server.client().send("FEAT").expect(211).contains(" UTF8\r\n"));
}

#[test]
fn opts_mlst_answers_with_what_it_took() {
    let server = TestServer::start();
    let mut client = server.login("ann");
    for (asked, taken) in
        [("Size;TYPE;", "type;size;"), ("nonsense;modify;", "modify;"), ("", ""), ("UNIX.mode;", "unix.mode;")]
    {
        let reply = client.send(format!("OPTS MLST {asked}").trim_end()).expect(200);
        assert_eq!(reply.trim_end(), format!("200 MLST OPTS {taken}").trim_end());
    }
}

#[test]
fn stat_tells_the_state_of_the_session() {
    let server = TestServer::start();
    let mut client = server.login("ann");
    let status = client.send("STAT").expect(211);
    assert!(status.contains(&format!("Connected to: {}", server.address())), "{status}");
    for (line, text) in [("TYPE A", "TYPE: ASCII"), ("TYPE I", "TYPE: Binary"), ("EPSV", "Passive data channel")] {
        client.send(line);
        client.reply();
        let status = client.send("STAT").expect(211);
        assert!(status.contains(text), "{line}: {status}");
    }
    client.active();
    assert!(client.send("STAT").expect(211).contains("Active data channel"));
    client.send("ABOR").expect(225);
    assert!(client.send("STAT").expect(211).contains("Data connection closed"));
}

#[test]
fn site_umask_holds_for_the_session() {
    let server = TestServer::start();
    let home = server.home("ann");
    let mode = |name: &str| std::fs::metadata(home.join(name)).unwrap().permissions().mode() & 0o7777;
    let mut client = server.login("ann");
    assert!(client.send("SITE UMASK").expect(200).contains("022"));
    client.script(&[("SITE UMASK 027", 200), ("MKD narrow", 257)]);
    assert!(client.send("SITE UMASK").expect(200).contains("027"));
    server.login("ann").send("MKD usual").expect(257);
    assert_eq!((mode("narrow"), mode("usual")), (0o750, 0o755));
}

#[test]
fn site_idle_shortens_the_timeout() {
    let server = TestServer::with(&["--timeout", "60"]).start();
    let mut client = server.login("ann");
    assert!(client.send("SITE IDLE").expect(200).contains("60"));
    client.script(&[("SITE IDLE 61", 501), ("SITE IDLE 1", 200)]);
    client.expect(421);
    client.expect_end();
}

#[test]
fn avbl_tells_a_number_of_bytes() {
    let server = TestServer::start();
    std::fs::create_dir(server.home("ann").join("d")).unwrap();
    let mut client = server.login("ann");
    for line in ["AVBL", "AVBL /", "AVBL d"] {
        let reply = client.send(line).expect(213);
        assert!(reply[4..].parse::<u64>().unwrap() > 0, "{reply}");
    }
    client.send("AVBL missing").expect(550);
}

#[test]
fn epsv_all_leaves_only_epsv() {
    let server = TestServer::start();
    let mut client = server.login("ann");
    client.script(&[("EPSV ALL", 200), ("PASV", 501), ("PORT 127,0,0,1,8,0", 501), ("EPRT |1|127.0.0.1|2048|", 501)]);
    client.script(&[("EPSV", 229), ("EPSV 1", 229)]);
}
