//! Headers that the browser itself sets, and that no page can forge (Fetch Metadata; `Origin`, Fetch section 3.2).

use http::HeaderMap;
use http::header::ORIGIN;

/// The headers by which browsers say that they load an address ahead of their user.
const PURPOSES: [&str; 4] = ["sec-purpose", "purpose", "x-moz", "x-purpose"];

/// Whether no person has opened the address: the browser loads it ahead of its user, or a page embeds it as an image, a
/// frame or a script. Such a request must change nothing.
pub fn is_prefetched_or_embedded(headers: &HeaderMap) -> bool {
    let is_ahead = PURPOSES.iter().flat_map(|name| headers.get_all(*name)).any(|value| {
        let text = value.as_bytes().to_ascii_lowercase();
        let says = |word: &str| text.windows(word.len()).any(|part| part == word.as_bytes());
        ["prefetch", "prerender", "preview"].into_iter().any(says)
    });
    // Every other destination is a part of a page. Older browsers do not send this header.
    is_ahead || headers.get_all("sec-fetch-dest").iter().any(|destination| destination != "document")
}

/// Whether a form was sent from a page of this origin. With some privacy settings, old web views and proxies, `Origin`
/// is `null` or missing: then `Sec-Fetch-Site` decides.
pub fn is_from_own_page(headers: &HeaderMap, origin: &str) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (Some(sent), None) if sent == origin => true,
        (Some(sent), None) if sent != "null" => false,
        (_, Some(_)) => false,
        (Some(_) | None, None) => {
            let mut sites = headers.get_all("sec-fetch-site").iter();
            matches!((sites.next(), sites.next()), (Some(site), None) if site == "same-origin")
        }
    }
}
