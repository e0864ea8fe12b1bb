//! The console in real browsers, on a running server with real networks: every flow in Chromium
//! (`tests/console/flows.mjs`), the main ones in Firefox and WebKit (`tests/console/engines.mjs`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::clients::{clients, console_packages};
use crate::support::installed::found_by;
use crate::support::{pictures, shared, skipped};

/// People of the data set that are enrolled: the first with three pictures or more.
const PEOPLE: usize = 5;
/// Their pictures: two are enrolled, the third is searched with.
const ENROLLED: usize = 2;

fn chromium() -> Option<PathBuf> {
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let names = ["chromium", "chromium-browser", "google-chrome"].map(PathBuf::from);
    let runs =
        |path: &PathBuf| Command::new(path).arg("--version").output().is_ok_and(|output| output.status.success());
    let found = named.into_iter().chain(names).find(runs)?;
    // The driver wants a path, not a name.
    if found.is_absolute() { Some(found) } else { on_path(&found) }
}

fn on_path(name: &Path) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(name)).find(|path| path.is_file())
}

#[test]
fn every_flow_works_in_a_browser() {
    let Some(lfw) = shared().map(|dir| dir.join("datasets/lfw")).filter(|dir| dir.is_dir()) else {
        return skipped("the console in a browser: no LFW");
    };
    let Some(chromium) = chromium() else {
        eprintln!("skipped: the console in a browser: no Chromium (apt-get install chromium, or name one in CHROMIUM)");
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("pictures");
    write_pictures(&folder, &lfw);
    let mut command = Command::new(&clients().node);
    command.arg("tests/console/flows.mjs").env("CHROMIUM", chromium);
    let output = on_a_server(&mut command, directory.path(), &folder);
    let told = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("console-failure.png");
        let _ = fs::copy(directory.path().join("failure.png"), &kept);
        panic!("{told}{}\nthe page as it was: {}", String::from_utf8_lossy(&output.stderr), kept.display());
    }
    // Every flow ran to its end.
    assert_eq!(told.lines().filter(|line| line.starts_with("ok ")).count(), 21, "{told}");
    println!("{told}");
}

#[test]
#[ignore = "prints how soon the pages come and what they add to a search; in the release profile, on a quiet machine"]
fn measure() {
    let Some(lfw) = shared().map(|dir| dir.join("datasets/lfw")).filter(|dir| dir.is_dir()) else {
        return skipped("measuring the console: no LFW");
    };
    let chromium = chromium().expect("a Chromium");
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("pictures");
    write_pictures(&folder, &lfw);
    let mut command = Command::new(&clients().node);
    command.arg("tests/console/measure.mjs").env("CHROMIUM", chromium);
    let output = on_a_server(&mut command, directory.path(), &folder);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    println!("{}", String::from_utf8_lossy(&output.stdout));
}

/// Runs flows that start servers of their own, with data below `directory` and pictures in `folder`.
fn on_a_server(command: &mut Command, directory: &Path, folder: &Path) -> Output {
    command
        .env("TROMBI", env!("CARGO_BIN_EXE_trombi"))
        .env("DATA", directory)
        .env("PICTURES", folder)
        .env("PACKAGES", console_packages())
        .env("NO_PROXY", "127.0.0.1")
        .env_remove("AWS_ACCESS_KEY_ID");
    found_by(command);
    command.output().unwrap()
}

/// An engine beside Chromium: its name for `engines.mjs`, its driver, and the program that the driver starts.
struct Engine {
    name: &'static str,
    driver: PathBuf,
    program: PathBuf,
}

/// `GECKODRIVER` and `FIREFOX`, `WEBKITDRIVER` and `MINIBROWSER` name programs that are not in their usual places.
fn engine(name: &'static str, driver: (&str, &str), programs: (&str, &[&str])) -> Option<Engine> {
    let named = |variable: &str| std::env::var_os(variable).map(PathBuf::from);
    let usual = |name: &&str| if name.starts_with('/') { Some(PathBuf::from(name)) } else { on_path(Path::new(name)) };
    let driver = named(driver.0).or_else(|| on_path(Path::new(driver.1)))?;
    let program = named(programs.0).or_else(|| programs.1.iter().filter_map(usual).find(|path| path.is_file()))?;
    Some(Engine { name, driver, program })
}

#[test]
fn the_main_flows_work_in_firefox() {
    let found = engine("firefox", ("GECKODRIVER", "geckodriver"), ("FIREFOX", &["firefox", "firefox-esr"]));
    let Some(engine) = found else {
        eprintln!("skipped: the console in Firefox: no Firefox or no geckodriver");
        return;
    };
    main_flows(&engine, Command::new(&clients().node));
}

#[test]
fn the_main_flows_work_in_webkit() {
    let places = ["4.1", "6.0", "4.0"]
        .map(|api| format!("/usr/lib/{}-linux-gnu/webkit2gtk-{api}/MiniBrowser", std::env::consts::ARCH));
    let places: Vec<&str> = places.iter().map(String::as_str).collect();
    let found = engine("webkit", ("WEBKITDRIVER", "WebKitWebDriver"), ("MINIBROWSER", &places));
    // It wants a display; this one draws into memory.
    let (Some(engine), Some(screen)) = (found, on_path(Path::new("xvfb-run"))) else {
        eprintln!("skipped: the console in WebKit: no MiniBrowser, WebKitWebDriver (webkit2gtk-driver) or xvfb-run");
        return;
    };
    let mut command = Command::new(screen);
    command.arg("-a").arg(&clients().node);
    main_flows(&engine, command);
}

/// Runs `engines.mjs` with what starts Node.js.
fn main_flows(engine: &Engine, mut command: Command) {
    let Some(lfw) = shared().map(|dir| dir.join("datasets/lfw")).filter(|dir| dir.is_dir()) else {
        return skipped("the console in another engine: no LFW");
    };
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("pictures");
    pictures::write_all(&clients().portrait_png, &folder);
    write_people(&folder, &lfw);
    command
        .args(["tests/console/engines.mjs", engine.name])
        .env("DRIVER", &engine.driver)
        .env("BROWSER", &engine.program);
    let output = on_a_server(&mut command, directory.path(), &folder);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    // Every flow ran to its end.
    assert_eq!(told.lines().filter(|line| line.starts_with("ok ")).count(), 7, "{told}");
    println!("{told}");
}

fn write_pictures(folder: &Path, lfw: &Path) {
    let portrait_png = &clients().portrait_png;
    pictures::write_all(portrait_png, folder);
    let portrait = pictures::read_png(portrait_png);
    write_people(folder, lfw);
    fs::write(folder.join("empty.png"), "").unwrap();
    fs::write(folder.join("broken.jpg"), [&[0xff_u8, 0xd8, 0xff, 0xe0][..], &[7_u8; 4000]].concat()).unwrap();
    let hundred = fs::File::create(folder.join("hundred.jpg")).unwrap();
    hundred.set_len(100 * 1024 * 1024).unwrap();
    pictures::write_png(&folder.join("large.png"), &pictures::on_noise(&portrait, 4200, 1400));
    fs::write(folder.join("portrait.bmp"), pictures::encode_bmp(&portrait)).unwrap();
}

fn write_people(folder: &Path, lfw: &Path) {
    let mut people: Vec<PathBuf> = fs::read_dir(lfw).unwrap().map(|entry| entry.unwrap().path()).collect();
    people.sort();
    let photos = |person: &Path| {
        let Ok(entries) = fs::read_dir(person) else { return Vec::new() };
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    };
    let several = people.into_iter().filter(|person| photos(person).len() > ENROLLED);
    for person in several.take(PEOPLE) {
        let name = person.file_name().unwrap();
        for (number, photo) in photos(&person).iter().take(ENROLLED + 1).enumerate() {
            let into = folder.join(if number < ENROLLED { "people" } else { "probes" }).join(name);
            fs::create_dir_all(&into).unwrap();
            fs::copy(photo, into.join(photo.file_name().unwrap())).unwrap();
        }
    }
}
