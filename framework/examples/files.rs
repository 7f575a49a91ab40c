//! A provider of files, small enough to try with a CLI how it treats an apply that fails: `files_note` writes a file, and fails after it
//! as long as a file `fail` is beside it. Every change of the folder is a line in its `journal`.

use std::{io::Write as _, path::PathBuf, process::ExitCode, time::Duration};

use async_trait::async_trait;
use framework::{
    AnyResource, Cx, DefaultTimeouts, Error, Observed, Parse, Prior, Provider, Reached, Resource, Setup, Timeouts, Value, computed, erase,
    model, optional, plugin, required,
};

model! {
    /// A folder of files.
    pub struct FolderModel {
        /// The folder.
        path: String => required(),
    }
}

model! {
    /// A file.
    pub struct NoteModel {
        /// The file's name.
        name: String => required().replaces(),
        /// What is in it.
        text: String => optional(),
        /// How many bytes are in it.
        size: i64 => computed(),
        /// Times.
        timeouts: Timeouts => optional(),
    }
}

struct Files;

struct Folder(PathBuf);

impl Folder {
    fn note(&self, what: &str) -> Result<(), Error> {
        let journal = std::fs::OpenOptions::new().append(true).create(true).open(self.0.join("journal"));
        journal.and_then(|mut journal| writeln!(journal, "{what}")).map_err(failed)
    }
}

fn failed(error: std::io::Error) -> Error {
    Error::new("File not accessible", error.to_string())
}

#[async_trait]
impl Provider for Files {
    type World = Folder;
    type Model = FolderModel;
    type Spec = PathBuf;

    fn name(&self) -> &'static str {
        "files"
    }
    fn parse(&self, model: &FolderModel, parse: &mut Parse<'_>) -> Option<PathBuf> {
        parse.required("path", &model.path, |path| Ok::<_, String>(PathBuf::from(path)))
    }
    async fn configure(&self, path: PathBuf, _: &mut Setup) -> Result<Folder, Error> {
        Ok(Folder(path))
    }
    fn resources(&self) -> Vec<Box<dyn AnyResource<Folder>>> {
        vec![erase::<Note>()]
    }
}

struct Note {
    name: String,
    text: String,
}

#[async_trait]
impl Resource for Note {
    type World = Folder;
    type Model = NoteModel;
    type Spec = Self;
    type Status = i64;

    const NAME: &'static str = "files_note";
    const TIMEOUTS: DefaultTimeouts =
        DefaultTimeouts { apply: Duration::from_secs(10), read: Duration::from_secs(10), delete: Duration::from_secs(10) };
    const IDENTITY: &'static [&'static str] = &["name"];

    fn timeouts(model: &NoteModel) -> &Value<Timeouts> {
        &model.timeouts
    }
    fn parse(model: &NoteModel, parse: &mut Parse<'_>) -> Option<Self> {
        let name = parse.required("name", &model.name, |name| Ok::<_, String>(name.clone()));
        let text = parse.optional("text", &model.text, |text| Ok::<_, String>(text.clone()));
        Some(Self { name: name?, text: text?.unwrap_or_default() })
    }
    async fn apply(spec: &Self, prior: &Prior<Self>, reached: &mut Reached<i64>, cx: &Cx<'_, Folder>) -> Result<(), Error> {
        let file = cx.world.0.join(&spec.name);
        if prior.is_none() && file.exists() {
            return Err(Error::new("Already exists", "The file is not this resource's."));
        }
        let what = if prior.is_none() { "create" } else { "update" };
        std::fs::write(&file, &spec.text).map_err(failed)?;
        cx.world.note(&format!("{what} {}", spec.name))?;
        reached.set(i64::try_from(spec.text.len()).unwrap_or(i64::MAX));
        if cx.world.0.join("fail").exists() { Err(Error::new("Told to fail", "There is a file `fail`.")) } else { Ok(()) }
    }
    async fn read(spec: &Self, cx: &Cx<'_, Folder>) -> Result<Observed<i64>, Error> {
        match std::fs::read(cx.world.0.join(&spec.name)) {
            Ok(bytes) => Ok(Observed::Found(i64::try_from(bytes.len()).unwrap_or(i64::MAX))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Observed::Gone),
            Err(error) => Err(failed(error)),
        }
    }
    async fn delete(spec: &Self, cx: &Cx<'_, Folder>) -> Result<(), Error> {
        std::fs::remove_file(cx.world.0.join(&spec.name)).map_err(failed)?;
        cx.world.note(&format!("delete {}", spec.name))
    }
    async fn import(id: &str, _: &Cx<'_, Folder>) -> Result<NoteModel, Error> {
        Ok(NoteModel { name: Value::Value(id.to_owned()), ..NoteModel::default() })
    }
    fn record(size: &i64, model: &mut NoteModel) {
        model.size = Value::Value(*size);
    }
}

fn main() -> ExitCode {
    plugin::run(Files, "terraform-provider-files", env!("CARGO_PKG_VERSION"))
}
