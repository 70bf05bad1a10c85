//! The first output for a person at a terminal: the addresses.

/// What `cargo dev` has started.
pub struct Banner<'a> {
    /// `http://127.0.0.1:port`
    pub origin: &'a str,
    pub redirect_uri: &'a str,
    /// `None`: in memory.
    pub data_dir: Option<&'a str>,
    /// Where the simulated WebinarGeek listens; `None` with a real provider.
    pub simulated_origin: Option<&'a str>,
    /// The public origin, and the address that its tunnel must lead to.
    pub tunnel: Option<(&'a str, &'a str)>,
}

impl Banner<'_> {
    pub fn text(&self) -> String {
        let (origin, redirect_uri) = (self.origin, self.redirect_uri);
        let data = self.data_dir.unwrap_or("in memory; set DATA_DIR to keep it in a folder");
        let mut rows = vec![
            ("console", format!("{origin}/")),
            ("API", format!("{origin}/v1; here it needs no signature")),
            ("redirect URI", format!("{redirect_uri}, to register with the provider")),
            ("data", data.to_owned()),
            match self.simulated_origin {
                Some(simulated) => (
                    "WebinarGeek",
                    format!("simulated at {simulated}; set WEBINARGEEK_CLIENT_ID and _SECRET for the real one"),
                ),
                None => ("WebinarGeek", "the real one; nothing is simulated".to_owned()),
            },
        ];
        if let Some((public_origin, leads_to)) = self.tunnel {
            rows.push((
                "tunnel",
                format!("{public_origin} must lead to {leads_to}, which has the browser's routes only"),
            ));
        }
        let mut text = "\n  webinargeek-connect\n\n".to_owned();
        for (name, value) in rows {
            text.push_str(&format!("  {name:<13} {value}\n"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_banner_names_every_address_and_where_the_data_is() {
        let banner = Banner {
            origin: "http://127.0.0.1:8787",
            redirect_uri: "https://t.example/callback",
            data_dir: Some("/tmp/data"),
            simulated_origin: None,
            tunnel: Some(("https://t.example", "http://127.0.0.1:8789")),
        };
        let text = banner.text();
        for shown in [
            "http://127.0.0.1:8787/",
            "/v1",
            "https://t.example/callback",
            "/tmp/data",
            "the real one",
            "127.0.0.1:8789",
        ] {
            assert!(text.contains(shown), "{shown} in {text}");
        }
        let simulated = Banner { data_dir: None, simulated_origin: Some("http://127.0.0.1:8788"), ..banner };
        assert!(
            simulated.text().contains("in memory") && simulated.text().contains("simulated at http://127.0.0.1:8788")
        );
    }
}
