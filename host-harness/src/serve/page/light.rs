//! Lights: a shape, a colour and a word each, so that none of the three is needed to tell them apart.

use maud::{Markup, html};

use crate::board::view::Light;

/// What a light looks like.
struct Look {
    word: &'static str,
    class: &'static str,
    /// For the icon of a tab, on light and on dark.
    colour: &'static str,
    /// In a square of 16.
    outline: &'static str,
    /// Lines in it.
    mark: &'static str,
    /// Whether the lines stand on paper and not on the colour.
    is_hollow: bool,
}

const RING: &str = "M8 1a7 7 0 1 0 0 14A7 7 0 1 0 8 1zm0 1.6a5.4 5.4 0 1 1 0 10.8A5.4 5.4 0 1 1 8 2.6z";

const fn look(light: Light) -> Look {
    match light {
        Light::Ok => Look {
            word: "OK",
            class: "ok",
            colour: "#1a7f37",
            outline: "M8 1a7 7 0 1 0 0 14A7 7 0 1 0 8 1z",
            mark: "M4.7 8.3 7 10.6l4.4-4.9",
            is_hollow: false,
        },
        Light::Waiting => Look {
            word: "Starting",
            class: "waiting",
            colour: "#6e7781",
            outline: RING,
            mark: "M8 4.6V8l2.3 1.6",
            is_hollow: true,
        },
        Light::Warn => Look {
            word: "Warning",
            class: "warn",
            colour: "#bf8700",
            outline: "M8 .8 15.6 15H.4z",
            mark: "M8 6v4.2M8 12.1v1.2",
            is_hollow: false,
        },
        Light::Fail => Look {
            word: "Failing",
            class: "fail",
            colour: "#cf222e",
            outline: "M1.5 1.5h13v13h-13z",
            mark: "M5 5l6 6M11 5l-6 6",
            is_hollow: false,
        },
        Light::Off => {
            Look { word: "Off", class: "off", colour: "#6e7781", outline: RING, mark: "M5 8h6", is_hollow: true }
        }
    }
}

/// The class of what stands so.
pub(super) fn class(light: Light) -> &'static str {
    look(light).class
}

/// Shape and word. `of`: what stands so, for whoever is told of changes.
pub(super) fn light(light: Light, of: &str) -> Markup {
    let Look { word, class, .. } = look(light);
    html! { span class={ "light " (class) } data-of=(of) { (shape(light)) (word) } }
}

/// The shape alone, where words stand beside it.
pub(super) fn shape(light: Light) -> Markup {
    let Look { class, outline, mark, is_hollow, .. } = look(light);
    html! {
        svg class={ "shape " (class) @if is_hollow { " hollow" } } viewBox="0 0 16 16" aria-hidden="true" focusable="false" {
            path d=(outline) fill-rule="evenodd" {}
            path.mark d=(mark) {}
        }
    }
}

/// For the tab of the browser.
pub(super) fn icon(light: Light) -> String {
    let Look { colour, outline, mark, is_hollow, .. } = look(light);
    let line = if is_hollow { colour } else { "#fff" };
    let svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'><path d='{outline}' fill='{colour}' fill-rule='evenodd'/>\
         <path d='{mark}' fill='none' stroke='{line}' stroke-width='1.8'/></svg>"
    );
    // What an address may not hold as it is.
    let address: String = svg.replace('%', "%25").replace('#', "%23").replace('<', "%3C").replace('>', "%3E");
    format!("data:image/svg+xml,{}", address.replace(' ', "%20"))
}

/// The word within a sentence.
pub(super) fn said(light: Light) -> &'static str {
    match light {
        Light::Ok => "OK",
        Light::Waiting => "starting",
        Light::Warn => "with a warning",
        Light::Fail => "failing",
        Light::Off => "off",
    }
}
