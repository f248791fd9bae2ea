//! stub
use crate::board::view::View;
use maud::{Markup, html};
/// c
pub const CSS: &str = "";
/// j
pub const JS: &str = "";
/// s
pub fn status(view: &View) -> Markup {
    html! { p { (view.now) } }
}
