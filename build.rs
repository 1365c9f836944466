//! Packs the texts that are printed as they are, which take a fifth of the room then. `src/text/packed.rs` reads them.
#![expect(clippy::disallowed_methods, reason = "a build script reads files")]

use std::error::Error;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let mut texts = String::new();
    for directory in ["docs/before-push", "docs/checks", "schemas"] {
        println!("cargo::rerun-if-changed={directory}");
        let mut files = fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
        // A build gives the same bytes everywhere.
        files.sort_by_key(fs::DirEntry::file_name);
        for file in files {
            texts.extend([
                &*file.file_name().to_string_lossy(),
                "\0",
                &fs::read_to_string(file.path())?,
                "\0",
            ]);
        }
    }
    let packed = miniz_oxide::deflate::compress_to_vec(texts.as_bytes(), 10);
    fs::write(Path::new(&env::var("OUT_DIR")?).join("texts"), packed)?;
    Ok(())
}
