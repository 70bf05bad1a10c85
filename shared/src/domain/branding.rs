//! What makes the pages look like the integrator's: its name, logo and colour, and where its customers find help.

use url::Url;

/// Each part is optional.
#[derive(Clone, Debug, Default)]
pub struct Branding {
    /// The integrator's name.
    pub application: Option<String>,
    /// Shown at the top of each page; `None` shows no image.
    pub logo: Option<Logo>,
    /// The colour of buttons, with a default.
    pub accent: Accent,
    /// A page, or a `mailto:` address.
    pub support: Option<Url>,
    /// The integrator's privacy statement, which each page links to.
    pub privacy: Option<Url>,
}

/// The address of an image: an https address, or the image itself as `data:` (RFC 2397).
#[derive(Clone, Debug)]
pub struct Logo(Url);

/// In characters. All variables of a Lambda function together may have 4 KB.
const LONGEST_LOGO: usize = 2048;

const IMAGES: [&str; 6] = ["avif", "gif", "jpeg", "png", "svg+xml", "webp"];

impl Logo {
    /// At most 2,048 characters. The error is a sentence for the operator, without its subject.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.len() > LONGEST_LOGO {
            return Err("must have at most 2048 characters");
        }
        let url = Url::parse(text).map_err(|_| "must be an https URL or a data URI")?;
        let is_image = || {
            let media_type = url.path().split([';', ',']).next().unwrap_or_default();
            media_type.strip_prefix("image/").is_some_and(|kind| IMAGES.contains(&kind)) && url.path().contains(',')
        };
        match url.scheme() {
            "https" if url.username().is_empty() && url.password().is_none() => Ok(Self(url)),
            "data" if is_image() => Ok(Self(url)),
            "data" => Err("must be the data URI of an image: data:image/svg+xml, png, webp, jpeg, gif or avif"),
            _ => Err("must be an https URL without a user name, or a data URI"),
        }
    }

    /// The address, as the `src` of an image.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The source that allows it in a policy (CSP level 3, section 2.3.1). A source has no query, and none names a
    /// single `data:` image: the policy allows all of these.
    pub fn source(&self) -> Option<String> {
        if self.0.scheme() == "data" {
            return None;
        }
        let mut address = self.0.clone();
        address.set_query(None);
        address.set_fragment(None);
        Some(address.as_str().replace(';', "%3B").replace(',', "%2C"))
    }
}

/// Where a customer finds help: an https page, or a mail address.
pub fn parse_support(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "must be an https URL or a mailto: address")?;
    match url.scheme() {
        "https" => Ok(url),
        "mailto" if url.path().split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty()) => {
            Ok(url)
        }
        _ => Err("must be an https URL or a mailto: address"),
    }
}

/// An opaque sRGB colour: red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour([u8; 3]);

impl Colour {
    /// `#000000`
    pub const BLACK: Self = Self([0; 3]);
    /// `#ffffff`
    pub const WHITE: Self = Self([255; 3]);

    /// From three channels, each from 0 to 255.
    pub const fn new(red: u8, green: u8, blue: u8) -> Self {
        Self([red, green, blue])
    }

    /// `#rrggbb`
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
        // A sign would be accepted in front of a number.
        digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(())?;
        let [_, red, green, blue] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
        Some(Self::new(red, green, blue))
    }

    /// As CSS writes it: `#rrggbb`, in lower case.
    pub fn css(self) -> String {
        let [red, green, blue] = self.0;
        format!("#{red:02x}{green:02x}{blue:02x}")
    }

    /// WCAG 2.2, "contrast ratio": from 1 to 21.
    pub fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    /// WCAG 2.2, "relative luminance".
    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(|channel| {
            let channel = f64::from(channel) / 255.0;
            if channel <= 0.04045 { channel / 12.92 } else { ((channel + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

/// The colour of buttons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accent(pub Colour);

impl Default for Accent {
    fn default() -> Self {
        Self(Colour::new(0x1f, 0x66, 0xe5))
    }
}

impl Accent {
    /// The colour of the text on it: black or white, the one with more contrast. One of them always has the contrast of
    /// 4.5 that WCAG asks for (success criterion 1.4.3): the two contrasts multiply to 21, which is more than 4.5².
    pub fn text(self) -> Colour {
        if self.0.contrast(Colour::WHITE) >= self.0.contrast(Colour::BLACK) { Colour::WHITE } else { Colour::BLACK }
    }

    /// Whether a button of this colour is seen on that background (success criterion 1.4.11).
    pub fn is_seen_on(self, background: Colour) -> bool {
        self.0.contrast(background) >= 3.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_button_can_be_read_on_every_colour() {
        for step in 0..=0xff_ffff_u32 / 257 {
            let [_, red, green, blue] = (step * 257).to_be_bytes();
            let accent = Accent(Colour::new(red, green, blue));
            let contrast = accent.0.contrast(accent.text());
            assert!(contrast >= 4.5, "{}: {contrast}", accent.0.css());
        }
        assert_eq!(Accent(Colour::parse("#FFCC00").unwrap()).text(), Colour::BLACK);
        assert_eq!(Accent::default().text(), Colour::WHITE);
    }

    #[test]
    fn contrast_is_wcags() {
        assert!((Colour::BLACK.contrast(Colour::WHITE) - 21.0).abs() < 1e-9);
        // The darkest grey on white that does not pass, and the lightest one that does.
        assert!(Colour::new(0x77, 0x77, 0x77).contrast(Colour::WHITE) < 4.5);
        assert!(Colour::new(0x76, 0x76, 0x76).contrast(Colour::WHITE) > 4.5);
    }

    #[test]
    fn a_colour_is_six_digits_and_nothing_else() {
        assert_eq!(Colour::parse("#1a2B3c").unwrap().css(), "#1a2b3c");
        for bad in ["1a2b3c", "#1a2b3", "#1a2b3c4d", "#fff", "red", "#+12345", "#1a2b3g", "#1a2b3c;", ""] {
            assert_eq!(Colour::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_logo_is_an_https_address_or_an_image_itself() {
        for good in ["https://cdn.example.com/logo.svg", "data:image/svg+xml,%3Csvg/%3E", "data:image/png;base64,AAAA"]
        {
            assert!(Logo::parse(good).is_ok(), "{good}");
        }
        let long = format!("data:image/png,{}", "a".repeat(LONGEST_LOGO));
        for bad in [
            "http://cdn.example.com/logo.svg",
            "https://user@cdn.example.com/logo.svg",
            "data:text/html,<script>",
            "data:image/png",
            "javascript:alert(1)",
            "logo.svg",
            &long,
        ] {
            assert!(Logo::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_policy_names_a_logo_so_that_nothing_can_be_added_to_it() {
        let source = |text: &str| Logo::parse(text).unwrap().source();
        assert_eq!(
            source("https://cdn.example.com/a;script-src *,b.svg?v=2#x").unwrap(),
            "https://cdn.example.com/a%3Bscript-src%20*%2Cb.svg"
        );
        assert_eq!(source("data:image/png;base64,AAAA"), None);
    }

    #[test]
    fn help_is_a_page_or_a_mail_address() {
        for good in ["https://help.example.com/", "mailto:help@example.com", "mailto:help@example.com?subject=Hello"] {
            assert!(parse_support(good).is_ok(), "{good}");
        }
        for bad in ["http://help.example.com/", "mailto:help", "mailto:@", "tel:112", "javascript:alert(1)", "help"] {
            assert!(parse_support(bad).is_err(), "{bad}");
        }
    }
}
