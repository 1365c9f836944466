//! tmp
#![allow(warnings)]
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let mut s = String::new();
    std::io::Read::read_to_string(&mut std::io::stdin(), &mut s).unwrap();
    let e = aws_oidc_doctor::evidence::Evidence::from_json(&s).unwrap();
    let d = aws_oidc_doctor::diagnose::diagnose(&e);
    if a.iter().any(|x| x == "json") {
        print!("{}", aws_oidc_doctor::report::json::render(&d));
    } else if a.iter().any(|x| x == "summary") {
        print!("{}", aws_oidc_doctor::report::summary::render(&d));
    } else {
        print!(
            "{}",
            aws_oidc_doctor::report::console::render(&d, a.iter().any(|x| x == "colour"))
        );
    }
    std::process::exit(d.exit_code().into());
}
