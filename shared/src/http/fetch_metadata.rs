//! What a browser says of a request by itself, and no page can forge (Fetch Metadata, Fetch section 3.2).

use http::HeaderMap;
use http::header::ORIGIN;

/// Headers by which browsers say that they ask ahead of their user.
const PURPOSES: [&str; 4] = ["sec-purpose", "purpose", "x-moz", "x-purpose"];

/// Whether the request says that no person has opened the address: the browser asks ahead of its user, or a page
/// embeds the address as an image, a frame, a script. Such a request must change nothing.
pub fn is_by_no_person(headers: &HeaderMap) -> bool {
    let is_ahead = PURPOSES.iter().flat_map(|name| headers.get_all(*name)).any(|value| {
        let text = value.as_bytes().to_ascii_lowercase();
        let says = |word: &str| text.windows(word.len()).any(|part| part == word.as_bytes());
        ["prefetch", "prerender", "preview"].into_iter().any(says)
    });
    // Every other destination is the one of something inside a page. Older browsers send none.
    is_ahead || headers.get_all("sec-fetch-dest").iter().any(|destination| destination != "document")
}

/// Whether a form was sent from a page of this origin. Privacy settings, old web views and proxies send `Origin: null`
/// or take it away; the browser's own word on where the request comes from then counts.
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
