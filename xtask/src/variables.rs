//! The README's tables of variables and `.env.example`, from the table that the code is held against.

use std::{fs, path::Path};

use anyhow::{Context, bail, ensure};
use webhook_dispatch::variable_table::{CREDENTIALS, SETTINGS, TRACES, Variable};

use crate::say;

const EXAMPLE: &str = ".env.example";
const README: &str = "README.md";

/// Writes them.
pub(crate) fn write(root: &Path) -> anyhow::Result<()> {
    for (name, text) in files(root)? {
        fs::write(root.join(name), text).with_context(|| format!("writing {name}"))?;
    }
    Ok(())
}

/// Fails where one of them is not as it would be written.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    for (name, text) in files(root)? {
        let found = fs::read_to_string(root.join(name)).unwrap_or_default();
        ensure!(found == text, "{name} does not have the variables that the code has: cargo xtask variables");
    }
    say(&format!("  {} variables stand in {README} and {EXAMPLE}", SETTINGS.len() + TRACES.len()));
    Ok(())
}

fn files(root: &Path) -> anyhow::Result<[(&'static str, String); 2]> {
    let readme = fs::read_to_string(root.join(README)).context("reading README.md")?;
    let readme = with_table(&readme, "settings", &SETTINGS)?;
    Ok([(README, with_table(&readme, "traces", &TRACES)?), (EXAMPLE, example())])
}

/// The text with this table between the two comments that mark its place.
fn with_table(text: &str, name: &str, variables: &[Variable]) -> anyhow::Result<String> {
    let (begin, end) = (format!("<!-- variables: {name} -->\n"), "<!-- end of variables -->");
    let Some((before, rest)) = text.split_once(&begin) else { bail!("README.md has no {}", begin.trim()) };
    let Some((_, after)) = rest.split_once(end) else { bail!("README.md has no {end} behind {name}") };
    let mut table = "| variable | default | takes | effect |\n|---|---|---|---|\n".to_owned();
    for Variable { name, default, form, effect } in variables {
        let default = if default.is_empty() { String::new() } else { format!("`{default}`") };
        // Markdown's tables end a cell at every bar.
        let form = form.replace('|', "\\|");
        table.push_str(&format!("| `{name}` | {default} | {form} | {effect} |\n"));
    }
    Ok(format!("{before}{begin}{table}{end}{after}"))
}

fn example() -> String {
    let mut text = "# All variables are optional. Copy this file, set what you need, and hand it over:\n\
                    #   npx supabase secrets set --env-file .env\n"
        .to_owned();
    let groups: [(&str, &[Variable]); 3] =
        [("How deliveries are made", &SETTINGS), ("Traces", &TRACES), ("Credentials", &CREDENTIALS)];
    for (title, variables) in groups {
        text.push_str(&format!("\n# --- {title}\n"));
        for Variable { name, default, form, effect } in variables {
            let effect = plain(effect);
            text.push_str(&format!("\n# {effect}\n# Takes {form}.\n# {name}={default}\n"));
        }
    }
    text
}

/// Markdown without its marks, those of code and of links.
fn plain(markdown: &str) -> String {
    let mut text = String::new();
    let mut rest = markdown;
    while let Some((before, after)) = rest.split_once("](") {
        text.push_str(&before.replacen('[', "", 1));
        rest = after.split_once(')').map_or("", |(_, after)| after);
    }
    format!("{text}{rest}").replace('`', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_takes_the_place_of_the_one_before() {
        let variable = Variable { name: "A", default: "1", form: "a | b", effect: "e" };
        let text = "x\n<!-- variables: t -->\nold\n<!-- end of variables -->\ny";
        let expected = "x\n<!-- variables: t -->\n| variable | default | takes | effect |\n|---|---|---|---|\n\
                        | `A` | `1` | a \\| b | e |\n<!-- end of variables -->\ny";
        assert_eq!(with_table(text, "t", &[variable]).unwrap(), expected);
        assert!(with_table("x", "t", &[variable]).is_err());
    }

    #[test]
    fn marks_are_left_out_of_the_example() {
        assert_eq!(
            plain("whether [alerts](#alerts) are `on`; and [more](#m)"),
            "whether alerts are on; and more"
        );
    }
}
