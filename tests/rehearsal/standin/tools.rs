//! The programs, each as far as the scripts can see it.
//!
//! Refusals are those of the real ones: `kind` makes no cluster twice, `clusterctl` installs no provider
//! twice and moves nothing from a cluster that has nothing.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::record::Cluster;
use super::{FLAG, Scene, UNKNOWN};

const KIND: &str = "cse-bootstrap";
/// Machines of the cluster: one control plane node, one worker.
const MACHINES: u32 = 2;
const REGISTRY: &str = "registry.example.test/vcd/";

/// Does what the program does; returns its exit code.
pub(super) fn play(scene: &mut Scene) -> u8 {
    match scene.call.tool.as_str() {
        "curl" => curl(scene),
        "docker" => docker(scene),
        "kind" => kind(scene),
        "clusterctl" => clusterctl(scene),
        "kubectl" => kubectl(scene),
        "systemctl" => systemctl(scene),
        "vmtoolsd" => {
            let line = scene.call.arguments[1].strip_prefix("info-set ").unwrap();
            scene.append("reports", line);
            0
        }
        "ip" => ip(scene),
        "sysctl" | "update-ca-certificates" => 0,
        "install" | "tar" => through(scene),
        _ => unknown(scene),
    }
}

fn unknown(scene: &mut Scene) -> u8 {
    let line = scene.call.line();
    scene.world.violations.push(format!("unknown call: {line}"));
    UNKNOWN
}

/// A real program, recorded.
fn through(scene: &Scene) -> u8 {
    let program = Path::new("/usr/bin").join(&scene.call.tool);
    let status = Command::new(program).args(&scene.call.arguments).status();
    u8::try_from(status.unwrap().code().unwrap()).unwrap()
}

fn program() -> String {
    format!("#!{} {FLAG}\n", std::env::current_exe().unwrap().display())
}

fn curl(scene: &mut Scene) -> u8 {
    let arguments = &scene.call.arguments;
    let url = scene.last().to_owned();
    let before = arguments.get(arguments.len().saturating_sub(2));
    let globs = !arguments.iter().any(|word| word == "--globoff");
    if before.map(String::as_str) != Some("--") || globs {
        scene
            .world
            .violations
            .push(format!("curl may read {url} as something else"));
    }
    let Some(file) = scene.after("--output").map(str::to_owned) else {
        return unknown(scene);
    };
    let name = url.rsplit('/').next().unwrap_or_default().to_owned();
    if file == "/dev/null" {
        return 0;
    }
    let login = fs::read_to_string(scene.path("world/login-page")).unwrap_or_default();
    if !login.trim().is_empty() && url.contains(login.trim()) {
        fs::write(file, "<html>Please sign in</html>\n").unwrap();
        return 0;
    }
    let content = if name.ends_with(".tgz") {
        return docker_archive(scene, &file);
    } else if ["kind-linux-", "clusterctl-linux-"]
        .iter()
        .any(|start| name.starts_with(start))
        || name == "kubectl"
    {
        program()
    } else if name.contains("antrea") {
        "apiVersion: apps/v1\nkind: DaemonSet\nspec:\n  image: \"antrea/antrea-ubuntu:v1\"\n"
            .to_owned()
    } else {
        "apiVersion: apps/v1\nkind: Deployment\nspec:\n  image: registry.k8s.io/x/y:1\n".to_owned()
    };
    fs::write(file, content).unwrap();
    0
}

fn docker_archive(scene: &Scene, file: &str) -> u8 {
    let place = scene.path("world/archive");
    fs::create_dir_all(place.join("docker")).unwrap();
    for name in ["docker", "dockerd"] {
        fs::write(place.join("docker").join(name), program()).unwrap();
        let chmod = Command::new("/usr/bin/chmod")
            .arg("755")
            .arg(place.join("docker").join(name))
            .status();
        assert!(chmod.unwrap().success());
    }
    let mut tar = Command::new("/usr/bin/tar");
    tar.args(["--create", "--gzip", "--file", file, "--directory"])
        .arg(place)
        .arg("docker");
    u8::from(!tar.status().unwrap().success())
}

fn systemctl(scene: &mut Scene) -> u8 {
    let line = scene.call.arguments.join(" ");
    match line.as_str() {
        "restart docker.service" => scene.world.docker_runs = true,
        "daemon-reload"
        | "enable docker.service"
        | "enable cse-bootstrap.service"
        | "disable --now kubelet.service containerd.service" => {}
        _ => return unknown(scene),
    }
    0
}

fn ip(scene: &mut Scene) -> u8 {
    let addresses = fs::read_to_string(scene.path("world/addresses"));
    match scene.call.arguments.join(" ").as_str() {
        "-4 route show default" => println!("default via 10.1.2.1 dev none0 proto static"),
        "-4 -oneline address show scope global" => print!(
            "{}",
            addresses.unwrap_or("2: eth0    inet 10.1.2.9/24 scope global eth0\n".to_owned())
        ),
        _ => return unknown(scene),
    }
    0
}

/// Whether the site's registry has an image.
fn has_image(scene: &Scene, image: &str) -> bool {
    let registry = fs::read_to_string(scene.path("world/registry")).unwrap();
    let Some(path) = image.strip_prefix(REGISTRY) else {
        return false;
    };
    match registry.as_str() {
        "complete" => true,
        "partial" => path.starts_with("kindest/node:") || path.starts_with("antrea/"),
        _ => false,
    }
}

fn docker(scene: &mut Scene) -> u8 {
    let words: Vec<String> = scene.call.arguments.clone();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if !scene.world.docker_runs {
        eprintln!("Cannot connect to the Docker daemon");
        return 1;
    }
    match words.as_slice() {
        ["info"] | ["rm", "container"] => 0,
        ["manifest", "inspect", image] => u8::from(!has_image(scene, image)),
        ["pull", "--quiet", image] => {
            u8::from(image.starts_with(REGISTRY) && !has_image(scene, image))
        }
        ["create", _, "none"] => {
            println!("container");
            0
        }
        ["cp", "container:/src/artifact/.", directory] => {
            let text = "apiVersion: apps/v1\nkind: Deployment\nspec:\n  image: __REGISTRY__/x:__VERSION__\n";
            // The provider's is what clusterctl looks for.
            let name = if directory.contains("infrastructure-vcd") {
                fs::write(Path::new(directory).join("metadata.yaml"), text).unwrap();
                "infrastructure-components.yaml"
            } else {
                "manifest.yaml"
            };
            fs::write(Path::new(directory).join(name), text).unwrap();
            0
        }
        ["start", container] => {
            let known = scene.world.kind_exists && *container == format!("{KIND}-control-plane");
            scene.world.kind_runs |= known;
            u8::from(!known)
        }
        _ => unknown(scene),
    }
}

fn kind(scene: &mut Scene) -> u8 {
    let words = scene.call.arguments.join(" ");
    if words == "version" {
        return 0;
    }
    if !scene.world.docker_runs {
        eprintln!("ERROR: failed to list clusters: Cannot connect to the Docker daemon");
        return 1;
    }
    if words == "get clusters" {
        if scene.world.kind_exists {
            println!("{KIND}");
        } else {
            eprintln!("No kind clusters found.");
        }
        0
    } else if words.starts_with("create cluster") {
        let complete = ["--name", "--image", "--kubeconfig", "--config"]
            .map(|flag| scene.after(flag).is_some());
        assert_eq!(complete, [true; 4], "{words}");
        if scene.world.kind_exists {
            eprintln!("ERROR: node(s) already exist for a cluster with the name \"{KIND}\"");
            return 1;
        }
        fs::write(scene.after("--kubeconfig").unwrap(), "kind: Config\n").unwrap();
        scene.world.kind_exists = true;
        scene.world.kind_runs = true;
        scene.world.kinds_made += 1;
        scene.world.temporary = Cluster::default();
        0
    } else if words.starts_with("delete cluster") {
        if scene.world.temporary.declared || scene.world.temporary.machines > 0 {
            let line = "the temporary cluster was deleted with the cluster's objects in it";
            scene.world.violations.push(line.to_owned());
        }
        scene.world.kind_exists = false;
        scene.world.kind_runs = false;
        scene.world.temporary = Cluster::default();
        0
    } else {
        unknown(scene)
    }
}

/// The cluster a kubeconfig is of; none when it does not answer.
fn cluster_of<'a>(scene: &'a mut Scene, flag: &str) -> Option<&'a mut Cluster> {
    let path = scene.after(flag)?.to_owned();
    if !Path::new(&path).is_file() {
        return None;
    }
    if path.ends_with("/kind.conf") {
        return scene.world.kind_runs.then_some(&mut scene.world.temporary);
    }
    path.ends_with("/workload.conf")
        .then_some(&mut scene.world.new)
}

fn unreachable() -> u8 {
    eprintln!("The connection to the server was refused");
    1
}

fn clusterctl(scene: &mut Scene) -> u8 {
    let words = scene.call.arguments.clone();
    match words.first().map(String::as_str) {
        Some("version") => 0,
        Some("init") => init(scene, &words),
        Some("move") => move_objects(scene),
        _ => unknown(scene),
    }
}

fn init(scene: &mut Scene, words: &[String]) -> u8 {
    let config = scene
        .after("--config")
        .map(str::to_owned)
        .unwrap_or_default();
    assert!(Path::new(&config).is_file(), "{config}");
    let environment = &scene.call.environment;
    assert_eq!(environment["EXP_CLUSTER_RESOURCE_SET"], "true");
    let Some(cluster) = cluster_of(scene, "--kubeconfig") else {
        return unreachable();
    };
    for pair in words.windows(2) {
        let kind = match pair[0].as_str() {
            "--core" => "CoreProvider",
            "--bootstrap" => "BootstrapProvider",
            "--control-plane" => "ControlPlaneProvider",
            "--infrastructure" => "InfrastructureProvider",
            _ => continue,
        };
        let name = pair[1].split(':').next().unwrap();
        if !cluster.providers.insert(format!("{kind}/{name}")) {
            eprintln!("Error: there is already an instance of the {name:?} provider installed");
            return 1;
        }
    }
    cluster.capvcd_runs = true;
    cluster.capvcd_webhooks = true;
    0
}

fn move_objects(scene: &mut Scene) -> u8 {
    let is_trial = scene.call.arguments.iter().any(|word| word == "--dry-run");
    let Some(target) = cluster_of(scene, "--to-kubeconfig") else {
        return unreachable();
    };
    if target.providers.len() < 4 {
        eprintln!("Error: the target cluster lacks providers");
        return 1;
    }
    let Some(source) = cluster_of(scene, "--kubeconfig") else {
        return unreachable();
    };
    if !source.declared {
        eprintln!("Error: nothing to move");
        return 1;
    }
    if is_trial {
        return 0;
    }
    if !may_move(scene) {
        return 1;
    }
    scene.world.new.machines += std::mem::take(&mut scene.world.temporary.machines);
    scene.world.temporary.declared = false;
    scene.world.new.declared = true;
    scene.world.new.paused = false;
    0
}

fn may_move(scene: &mut Scene) -> bool {
    if scene.world.temporary.capvcd_runs {
        let line = "objects were moved while CAPVCD ran in both clusters";
        scene.world.violations.push(line.to_owned());
    }
    !scene.world.temporary.capvcd_webhooks
}

/// The Cluster and one machine are in the new cluster, paused; the rest is not.
pub(super) fn move_half(scene: &mut Scene) {
    may_move(scene);
    scene.world.temporary.paused = true;
    scene.world.temporary.machines -= 1;
    scene.world.new.machines += 1;
    scene.world.new.declared = true;
    scene.world.new.paused = true;
}

fn kubectl(scene: &mut Scene) -> u8 {
    let words = scene.call.arguments.join(" ");
    if words == "version --client" {
        return 0;
    }
    let is_new = scene
        .after("--kubeconfig")
        .is_some_and(|path| path.ends_with("workload.conf"));
    let Some(cluster) = cluster_of(scene, "--kubeconfig") else {
        return unreachable();
    };
    let has = |part: &str| words.contains(part);
    if has(" apply ") || words.starts_with("apply ") {
        return apply(scene, is_new);
    }
    let numbers = 0..cluster.machines;
    let answer: Vec<String> = if has("get --raw /readyz") || has("config set-context --current") {
        Vec::new()
    } else if has("get providers.clusterctl") {
        cluster.providers.iter().cloned().collect()
    } else if has("wait deployment --all-namespaces") {
        return u8::from(cluster.providers.len() < 4);
    } else if has("get clusters --output name") {
        let name = "cluster.cluster.x-k8s.io/kite7".to_owned();
        Vec::from_iter(cluster.declared.then_some(name))
    } else if has("get machines --output name") {
        numbers
            .map(|n| format!("machine.cluster.x-k8s.io/m{n}"))
            .collect()
    } else if has("{.metadata.name} {.status.nodeRef.name}") {
        numbers.map(|n| format!("m{n} n{n}")).collect()
    } else if has("get pods --output name") {
        let name = "pod/capvcd-controller-manager".to_owned();
        Vec::from_iter(cluster.capvcd_runs.then_some(name))
    } else if has("scale deployment --all --replicas=0") {
        cluster.capvcd_runs = false;
        Vec::new()
    } else if has("delete validatingwebhookconfigurations,mutatingwebhookconfigurations") {
        cluster.capvcd_webhooks = false;
        Vec::new()
    } else if has("cluster/kite7") || has("get cluster kite7") {
        return about_cluster(cluster, &words);
    } else {
        return further(scene, &words);
    };
    for line in answer {
        println!("{line}");
    }
    0
}

fn about_cluster(cluster: &Cluster, words: &str) -> u8 {
    if !cluster.declared {
        eprintln!("Error from server (NotFound)");
        return 1;
    }
    if words.contains("{.spec.controlPlaneEndpoint.host}") {
        print!("10.1.2.3");
    } else if words.contains("{.spec.paused}") && cluster.paused {
        print!("true");
    }
    0
}

/// Calls that change nothing and have one answer.
fn further(scene: &mut Scene, words: &str) -> u8 {
    let answers = [
        ("get secret kite7-kubeconfig", "a2luZDogQ29uZmlnCg=="),
        (
            "get kubeadmcontrolplanes,machinedeployments",
            "cp|1|1\nblue|1|1\n",
        ),
        ("get nodes --selector", "node/n1\n"),
        ("get nodes --output jsonpath", "the node is not there yet"),
        (
            "deployment,statefulset --output name",
            "deployment.apps/csi-vcd-controllerplugin\n",
        ),
        ("get machines --output jsonpath", ""),
        ("get vcdclusters,kubeadmcontrolplanes,machines", ""),
        ("wait nodes --all", ""),
        ("wait machines --all", ""),
        ("rollout status", ""),
        ("set env deployment/capvcd-controller-manager -", ""),
    ];
    let found = answers.iter().find(|(part, _)| words.contains(part));
    match found {
        Some((_, answer)) => {
            print!("{answer}");
            0
        }
        None => unknown(scene),
    }
}

fn apply(scene: &mut Scene, is_new: bool) -> u8 {
    let Some(file) = scene.after("-f").map(str::to_owned) else {
        return unknown(scene);
    };
    if fs::read_to_string(&file).is_ok_and(|text| text.trim().is_empty()) {
        eprintln!("error: no objects passed to apply");
        return 1;
    }
    let name = file.rsplit('/').next().unwrap_or_default().to_owned();
    if name == "cluster.yaml" {
        if scene.world.new.declared || is_new {
            let line = "the cluster was declared in a second place";
            scene.world.violations.push(line.to_owned());
        }
        if scene.world.temporary.providers.len() < 4 {
            eprintln!("error: no matches for kind \"Cluster\"");
            return 1;
        }
        scene.world.temporary.declared = true;
        scene.world.temporary.machines = MACHINES;
    }
    let cluster = if is_new {
        &mut scene.world.new
    } else {
        &mut scene.world.temporary
    };
    cluster.applied.insert(name);
    0
}
