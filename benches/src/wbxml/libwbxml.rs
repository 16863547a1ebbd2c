//! The C program that libwbxml is linked to.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use super::Direction;
use crate::Broken;

const SOURCE: &str = include_str!("libwbxml.c");

/// The program, which runs and waits for what it is told. It ends with this value.
#[derive(Debug)]
pub struct Libwbxml {
    child: Child,
    told: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Libwbxml {
    /// Builds the program in `folder`, optimized, and gives it a document.
    ///
    /// # Errors
    /// No C compiler, no `libwbxml2-dev`, or libwbxml refuses the document.
    pub fn start(folder: &Path, xml: &str) -> Result<Self, Broken> {
        let (source, program) = (folder.join("libwbxml.c"), folder.join("libwbxml"));
        std::fs::write(&source, SOURCE)?;
        let flags = output(Command::new("pkg-config").args(["--cflags", "--libs", "libwbxml2"]))?;
        output(
            Command::new("cc")
                .args(["-O2", "-o"])
                .args([&program, &source])
                .args(flags.split_whitespace()),
        )?;
        let document = folder.join(format!("{}.xml", xml.len()));
        std::fs::write(&document, xml)?;
        let mut child = Command::new(&program)
            .arg(&document)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (told, answers) = (child.stdin.take(), child.stdout.take());
        let answers = answers.ok_or("the C program has no standard output")?;
        Ok(Self {
            child,
            told,
            answers: BufReader::new(answers),
        })
    }

    /// What it makes of the document.
    ///
    /// # Errors
    /// The program ended.
    pub fn wbxml(&mut self) -> Result<Vec<u8>, Broken> {
        let digits = self.ask("wbxml")?;
        let pairs = digits.as_bytes().chunks(2);
        let octets = pairs.map(|pair| {
            let pair = std::str::from_utf8(pair)?;
            Ok(u8::from_str_radix(pair, 16)?)
        });
        octets.collect()
    }

    /// CPU time of so many conversions.
    ///
    /// # Errors
    /// The program ended.
    pub fn convert(&mut self, direction: Direction, times: u32) -> Result<Duration, Broken> {
        let word = match direction {
            Direction::Encode => "encode",
            Direction::Decode => "decode",
        };
        let nanos = self.ask(&format!("{word} {times}"))?;
        Ok(Duration::from_nanos(nanos.parse()?))
    }

    fn ask(&mut self, command: &str) -> Result<String, Broken> {
        let told = self.told.as_mut().ok_or("the C program has ended")?;
        writeln!(told, "{command}")?;
        let mut answer = String::new();
        if self.answers.read_line(&mut answer)? == 0 {
            return Err("the C program has ended; its errors stand above".into());
        }
        answer.truncate(answer.trim_end().len());
        Ok(answer)
    }
}

/// What a program prints that succeeds.
fn output(command: &mut Command) -> Result<String, Broken> {
    let done = command.output()?;
    if !done.status.success() {
        let why = String::from_utf8_lossy(&done.stderr);
        return Err(format!("the C program cannot be built; Debian's libwbxml2-dev brings what it is linked to: {why}").into());
    }
    Ok(String::from_utf8(done.stdout)?)
}

impl Drop for Libwbxml {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.told.take());
        let _status = self.child.wait();
    }
}
