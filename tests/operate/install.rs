//! Installing without hands: the appliance's properties, the example for cloud-init, man pages and completions.
//!
//! Not here: the package on real systemd (`tests/systemd`).

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::vcd::Vcd;

const CLOUD_INIT: &str = include_str!("../../config/cloud-init.yaml");

fn top(path: &str) -> String {
    format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))
}

/// Runs the program with nothing in its environment but `env`.
fn run(arguments: &[&str], env: &[(&str, &OsStr)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cse-server"));
    let command = command.args(arguments).env_clear();
    command.envs(env.iter().copied()).output().unwrap()
}

fn write_private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Goal: the original's deployment automation names the organization of the appliance, not the user's, and it
/// works all the same; a wrong token is told with the property that holds it.
///
/// Method: `components` reads only, and takes the same way to VCD as a replica.
#[tokio::test(flavor = "multi_thread")]
async fn properties_of_the_appliance_are_enough_and_mistakes_name_them() {
    let vcd = Vcd::open();
    let document = |org: &str, token: &str| {
        format!(
            "<Environment xmlns:oe='http://schemas.dmtf.org/ovf/environment/1'><PropertySection>\
             <Property oe:key='vcdHost' oe:value='{}'/><Property oe:key='cse.userOrg' oe:value='{org}'/>\
             <Property oe:key='cse.vcdRefreshToken' oe:value='{token}'/>\
             </PropertySection></Environment>",
            vcd.url
        )
    };
    let config = vcd.file("appliance.toml", "");
    let ca = vcd.path("ca.pem");
    let ask = |text: &str| {
        let properties = vcd.file("properties.xml", text);
        let env = [
            ("CSE_OVF_ENV", properties.as_os_str()),
            ("CSE_VCD_CA_FILE", ca.as_os_str()),
        ];
        let config = config.to_str().unwrap();
        run(&["components", "--all", "--config", config], &env)
    };
    // The appliance's organization, one that does not exist, and the provider in other letters.
    for org in ["acme", "solutions", "system"] {
        let done = ask(&document(org, &vcd.access.provider_token));
        assert_eq!(done.status.code(), Some(0), "{org}: {done:?}");
    }
    for org in ["acme", "system"] {
        let refused = ask(&document(org, "wr0ng-wr0ng-wr0ng-wr0ng-wr0ng-wr0"));
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(77), "{said}");
        let want = "correct the token in OVF property cse.vcdRefreshToken (/";
        assert!(said.contains(want) && !said.contains("wr0ng"), "{said}");
    }
}

/// Goal: the document ends up as root's own file, and a machine without one keeps what an operator has put there.
#[test]
fn the_script_writes_what_the_hypervisor_hands_out_or_leaves_the_file_alone() {
    let dir = tempfile::tempdir().unwrap();
    let tools = dir.path().join("vmtoolsd");
    let file = dir.path().join("ovf-env.xml");
    let path = format!("{}:/usr/bin:/bin", dir.path().display());
    let answer = |script: &str| {
        fs::write(&tools, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&tools, fs::Permissions::from_mode(0o755)).unwrap();
        let done = Command::new(top("systemd/ovf-env"))
            .arg(&file)
            .env("PATH", &path)
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
        let left = fs::read_dir(dir.path()).unwrap().count();
        (fs::read_to_string(&file).unwrap_or_default(), left)
    };
    let given = "[ \"$*\" = '--cmd info-get guestinfo.ovfEnv' ] && echo '<Environment/>'";
    assert_eq!(answer(given), ("<Environment/>\n".to_owned(), 2));
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for none in ["echo 'No value found' >&2; exit 1", "exit 0"] {
        assert_eq!(answer(none), ("<Environment/>\n".to_owned(), 2), "{none}");
    }
}

#[test]
fn the_example_for_cloud_init_makes_files_that_the_program_and_the_shell_understand() {
    assert!(CLOUD_INIT.starts_with("#cloud-config\n"));
    let document: Value = serde_saphyr::from_str(CLOUD_INIT).unwrap();
    let keys: Vec<&String> = document.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        ["packages", "write_files", "runcmd", "final_message"],
        "keys that cloud-init knows"
    );
    let files = document["write_files"].as_array().unwrap();
    let entry = |path: &str| files.iter().find(|file| file["path"] == path).unwrap();

    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("cse-server.toml");
    let settings = entry("/etc/cse-server/cse-server.toml");
    fs::write(&config, settings["content"].as_str().unwrap()).unwrap();
    let token = entry("/etc/cse-server/vcd-api-token");
    assert_eq!(token["permissions"], "0600");
    assert_eq!(token["owner"], "root:root");
    write_private(&dir.path().join("vcd-api-token"), "token");
    let loaded = cse_server::config::load(&config, &|_| None).unwrap();
    assert_eq!(loaded.vcd.url.as_str(), "https://vcd.example.com/");

    let script = &entry("/run/cse-server-install")["content"];
    assert_eq!(
        document["runcmd"],
        serde_json::json!([["sh", "/run/cse-server-install"]])
    );
    let path = dir.path().join("install");
    fs::write(&path, script.as_str().unwrap()).unwrap();
    let checked = Command::new("sh").arg("-n").arg(&path).output().unwrap();
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn pages_and_completions_are_written_and_are_the_same_every_time() {
    let dir = tempfile::tempdir().unwrap();
    let made = |what: &str, name: &str| {
        let place = dir.path().join(name);
        let done = run(&["generate", what, place.to_str().unwrap()], &[]);
        assert_eq!(done.status.code(), Some(0), "{done:?}");
        let mut files: Vec<(String, String)> = fs::read_dir(&place)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| {
                let name = entry.file_name().into_string().unwrap();
                (name, fs::read_to_string(entry.path()).unwrap())
            })
            .collect();
        files.sort();
        files
    };
    for (what, least) in [("man", 6), ("completions", 3)] {
        let first = made(what, "a");
        assert!(first.len() >= least, "{what}: {}", first.len());
        assert_eq!(first, made(what, "b"));
        for name in ["a", "b"] {
            fs::remove_dir_all(dir.path().join(name)).unwrap();
        }
    }
    let refused = run(&["generate", "man", "/proc/nothing"], &[]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(71), "{said}");
    assert!(said.contains("cannot write to /proc/nothing: "), "{said}");
}
